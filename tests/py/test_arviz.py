"""A posterior result opens in ArviZ, xarray (both netCDF engines) and getdist: right dimension names, right values.
The job is tiny: a Gaussian field of 16 x 16 pixels, one bin, two parameters."""
import json
import subprocess

import h5py
import numpy as np
import pytest

NPIX, CHAINS, DRAWS, WARMUP = 16, 2, 60, 40
SIGMA_E, DENSITY, SIZE_DEG, FIELD_EVERY = 0.26, 30.0, 5.0, 10
PARAMETERS = ["omega_c", "sigma8"]

JOB = {
    "kind": "posterior",
    "name": "tiny",
    "seed": 3,
    "model": {
        "simulator": "gaussian",
        "field": {"size_deg": SIZE_DEG, "npix": NPIX},
        "sources": {"gaussian": [{"z": 0.8, "sd": 0.2, "n_per_arcmin2": DENSITY}]},
        "sigma_e": SIGMA_E,
        "observable": "convergence",
        "parameters": {
            "omega_c": {"normal": [0.2664, 0.1], "low": 0.05, "high": 0.9},
            "sigma8": {"uniform": [0.4, 1.4]},
        },
    },
    "data": {"mock": {"seed": 5}},
    "sampler": {"chains": CHAINS, "warmup": WARMUP, "draws": DRAWS, "fields": {"keep": "thin", "every": FIELD_EVERY}},
}


@pytest.fixture(scope="module")
def result(run_job, tmp_path_factory):
    path, status, stderr = run_job(JOB, tmp_path_factory.mktemp("arviz"), name="tiny")
    assert status == 0, stderr
    return path


def test_arviz_reads_the_posterior(result):
    az = pytest.importorskip("arviz", reason="arviz is not installed (PyPI)")
    data = az.from_netcdf(result)
    for name in [*PARAMETERS, "omega_m", "S8"]:
        assert data.posterior[name].dims == ("chain", "draw"), name
        assert data.posterior[name].shape == (CHAINS, DRAWS), name
    for name in ("lp", "acceptance_rate", "step_size", "tree_depth", "n_steps", "diverging", "energy", "energy_error"):
        assert data.sample_stats[name].shape == (CHAINS, DRAWS), name
    assert data.sample_stats["diverging"].dtype == bool
    with h5py.File(result) as file:
        np.testing.assert_array_equal(data.posterior["sigma8"], file["posterior/sigma8"][()])
    s8 = data.posterior["sigma8"] * np.sqrt(data.posterior["omega_m"] / 0.3)
    np.testing.assert_allclose(data.posterior["S8"], s8, rtol=1e-12)
    assert data.posterior["sigma8"].min() > 0.4 and data.posterior["sigma8"].max() < 1.4


def test_diagnostics_equal_arviz(result):
    az = pytest.importorskip("arviz", reason="arviz is not installed (PyPI)")
    posterior = az.from_netcdf(result).posterior
    with h5py.File(result) as file:
        names = [name.decode() if isinstance(name, bytes) else name for name in file["diagnostics/parameter"][()]]
        ours = {key: dict(zip(names, file[f"diagnostics/{key}"][()])) for key in ("rhat", "ess_bulk", "ess_tail")}
    assert set(PARAMETERS) <= set(names)
    for name in names:
        if name not in posterior:
            continue
        expected = {"rhat": az.rhat(posterior[name]), "ess_bulk": az.ess(posterior[name], method="bulk"),
                    "ess_tail": az.ess(posterior[name], method="tail")}
        for key, value in expected.items():
            np.testing.assert_allclose(ours[key][name], float(value[name]), rtol=1e-6, err_msg=f"{key} of {name}")


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_names_the_dimensions_of_maps(result, engine):
    xarray = pytest.importorskip("xarray", reason="xarray is not installed (PyPI)")
    pytest.importorskip({"netcdf4": "netCDF4"}.get(engine, engine), reason=f"{engine} is not installed (PyPI)")
    with xarray.open_dataset(result, group="maps", engine=engine) as maps:
        assert maps["convergence_mean"].dims == ("bin", "y", "x")
        assert maps["convergence_sd"].shape == (1, NPIX, NPIX)
    with xarray.open_dataset(result, group="fields", engine=engine) as fields:
        assert fields["convergence"].dims == ("chain", "field_draw", "bin", "y", "x")
        assert fields.sizes["field_draw"] == DRAWS // FIELD_EVERY
    with xarray.open_dataset(result, group="constant_data", engine=engine) as constant:
        pixel_arcmin2 = (60 * SIZE_DEG / NPIX) ** 2
        expected = SIGMA_E / np.sqrt(DENSITY * pixel_arcmin2)
        assert constant["noise_sd"].dims == ("bin", "y", "x")
        np.testing.assert_allclose(constant["noise_sd"], expected, rtol=1e-6)
    with xarray.open_dataset(result, group="diagnostics", engine=engine) as diagnostics:
        assert diagnostics["rhat"].dims == ("parameter",)
        assert "sigma8" in [str(name) for name in diagnostics["parameter"].values]


def test_spec_of_the_result_is_a_whole_job(result, run_job, tmp_path):
    """The embedded job has every default filled in, and gives the same posterior again."""
    with h5py.File(result) as file:
        spec = json.loads(file.attrs["spec"])
        first = file["posterior/sigma8"][()]
    assert spec["model"]["field"]["padding"] == 1 and spec["sampler"]["max_depth"] == 10
    again, status, stderr = run_job(spec, tmp_path, name="again")
    assert status == 0, stderr
    with h5py.File(again) as file:
        np.testing.assert_array_equal(file["posterior/sigma8"][()], first)


def test_getdist_loads_the_export(result, ffctl, tmp_path):
    getdist = pytest.importorskip("getdist", reason="getdist is not installed (PyPI)")
    root = tmp_path / "tiny"
    subprocess.run([ffctl, "export", result, "--format", "getdist", "-o", root], check=True, stdin=subprocess.DEVNULL,
                   capture_output=True)
    samples = getdist.loadMCSamples(str(root), settings={"ignore_rows": 0})
    assert samples.numrows == CHAINS * DRAWS
    with h5py.File(result) as file:
        for name in PARAMETERS:
            np.testing.assert_allclose(samples.mean(name), file[f"posterior/{name}"][()].mean(), rtol=1e-5)
    derived = {parameter.name for parameter in samples.paramNames.names if parameter.isDerived}
    assert {"omega_m", "S8"} <= derived
