"""Members of a job's model and data that read files or change the road through the simulator, from outside, 16 x 16."""
import h5py
import numpy as np
import pytest

BINS, NPIX, SIZE = 2, 16, 5.0
SIGMA_E, DENSITY = 0.26, 15
Z, SD = (0.6, 1.2), (0.12, 0.2)
GAUSSIAN = {"gaussian": [{"z": z, "sd": sd, "n_per_arcmin2": DENSITY} for z, sd in zip(Z, SD)]}
TABLES = {"tables": [{"nz": f"@nz-{b}.h5", "n_per_arcmin2": DENSITY} for b in range(BINS)]}
FREE = {"omega_c": {"normal": [0.27, 0.06], "low": 0.05}, "sigma8": {"uniform": [0.4, 1.3]}}
TABLE_SHIFT = {"table": "@shift.h5"}
SHIFTS = (0.02, 0.05)
MASKED = np.s_[:, 4:9, 2:7]
MASK_SD = 0.03


def model(**members):
    field = {"size_deg": SIZE, "npix": NPIX, **members.pop("field", {})}
    return {"simulator": "lognormal", "field": field, "sources": GAUSSIAN, "sigma_e": SIGMA_E, "parameters": FREE,
            **members}


def posterior(mock=None, **members):
    return {"kind": "posterior", "seed": 3, "model": model(**members), "data": {"mock": {"seed": 7, **(mock or {})}},
            "sampler": {"algorithm": "hmc", "chains": 2, "warmup": 15, "draws": 15}}


def clean_draws(count=40, **members):
    return {"kind": "draws", "seed": 11, "count": count, "noise": False, "model": model(**members)}


@pytest.fixture(scope="module")
def where(tmp_path_factory):
    """A folder with n(z) of the Gaussians of GAUSSIAN, a shift table that says SHIFTS everywhere, and a mask."""
    folder = tmp_path_factory.mktemp("members")
    z = np.linspace(0, 3, 1501)
    for b in range(BINS):
        with h5py.File(folder / f"nz-{b}.h5", "w") as f:
            f["z"], f["n"] = z, np.exp(-0.5 * ((z - Z[b]) / SD[b]) ** 2)
    with h5py.File(folder / "shift.h5", "w") as f:
        f["omega_m"], f["sigma8"], f["w0"] = [0.05, 0.3, 0.9], [0.2, 0.8, 1.5], [-2.0, -1.0, -0.3]
        f["shift"] = np.broadcast_to(SHIFTS, (3, 3, 3, BINS)).copy()
    with h5py.File(folder / "mask.h5", "w") as f:
        f["convergence"] = np.zeros((BINS, NPIX, NPIX), np.float32)
        sd = np.full((BINS, NPIX, NPIX), MASK_SD, np.float32)
        sd[MASKED] = np.inf
        f["noise_sd"] = sd
        f.attrs.update(size_deg=SIZE, ra_deg=0.0, dec_deg=0.0)
    return folder


@pytest.fixture(scope="module")
def run(run_job, where):
    """Runs a job beside the datasets; its result."""

    def one(name, job):
        path, status, text = run_job(job, where, name=name)
        assert status == 0, text
        return path

    return one


def drawn(path):
    with h5py.File(path) as f:
        valid = f["draws/valid"][()] == 1
        assert valid.all()
        return f["draws/x"][()].astype(float)


CASES = {
    "mask": posterior(mock={"mask": "@mask.h5"}),
    "empirical": posterior(lognormal={"variance": "empirical"}),
    "shift table, empirical": posterior(lognormal={"shift": TABLE_SHIFT, "variance": "empirical"}),
    "tables": posterior(sources=TABLES),
    "pixel window": posterior(field={"pixel_window": True}),
    "all": posterior(mock={"mask": "@mask.h5"}, sources=TABLES, field={"pixel_window": True},
                     lognormal={"shift": TABLE_SHIFT, "variance": "empirical"}),
}


@pytest.mark.parametrize("name", CASES)
def test_posterior_is_finite(run, name):
    with h5py.File(run("posterior", CASES[name])) as f:
        for what in ("posterior/omega_c", "posterior/sigma8", "posterior/S8", "sample_stats/lp",
                     "maps/convergence_mean", "maps/convergence_sd", "posterior_predictive/chi2_p"):
            assert np.isfinite(f[what][()]).all(), what
        assert f["posterior/sigma8"][()].std() > 0 and (f["maps/convergence_sd"][()] > 0).all()
        sd = f["constant_data/noise_sd"][()]
        masked = np.zeros(sd.shape, bool)
        if "mask" in CASES[name]["data"]["mock"]:
            masked[MASKED] = True
            assert np.all(sd[~masked] == np.float32(MASK_SD))
        assert not np.isnan(sd).any() and np.array_equal(np.isinf(sd), masked)
        assert np.array_equal(f["posterior_predictive/chi2_dof"][()], [(~m).sum() for m in masked])


def test_empirical_variance_is_that_of_each_map(run):
    """kappa = lambda (exp(f - var/2) - 1), var the mean square of f: with lambda known, kappa gives both."""
    kappa = drawn(run("empirical", clean_draws(lognormal={"shift": TABLE_SHIFT, "variance": "empirical"})))
    theory = drawn(run("theory", clean_draws(lognormal={"shift": TABLE_SHIFT})))
    for b, shift in enumerate(SHIFTS):
        logs = np.log1p(kappa[:, b] / shift)  # f - var/2, and the mean of f is zero
        half = -logs.mean(axis=(1, 2))
        assert np.allclose(2 * half, logs.var(axis=(1, 2)), rtol=1e-3)
        wrong = np.log1p(theory[:, b] / shift)
        assert not np.allclose(-2 * wrong.mean(axis=(1, 2)), wrong.var(axis=(1, 2)), rtol=1e-2)


def test_shift_table_is_that_list(run):
    table = drawn(run("table", clean_draws(lognormal={"shift": TABLE_SHIFT})))
    listed = drawn(run("listed", clean_draws(lognormal={"shift": list(SHIFTS)})))
    assert np.allclose(table, listed, rtol=1e-5, atol=1e-6 * np.abs(listed).max())


def test_tables_are_the_gaussians_they_hold(run):
    table, gaussian = drawn(run("tables", clean_draws(sources=TABLES))), drawn(run("gaussian", clean_draws()))
    assert np.abs(table - gaussian).max() < 1e-3 * np.abs(gaussian).max()


def test_pixel_window_is_the_sinc_of_each_mode(run):
    """Of a Gaussian field with the same latent each mode is that of pixel centres times sinc(l_x p/2) sinc(l_y p/2)."""
    plain = np.fft.fft2(drawn(run("plain", clean_draws(4, simulator="gaussian"))))
    windowed = np.fft.fft2(drawn(run("windowed", clean_draws(4, simulator="gaussian", field={"pixel_window": True}))))
    sinc = np.sinc(np.fft.fftfreq(NPIX))
    assert np.abs(windowed - plain * np.outer(sinc, sinc)).max() < 1e-4 * np.abs(plain).max()
