"""ffctl from outside: exit codes, JSON output, describe and export of result files (test_ffctl_run.py: run).
The result files are made here with h5py in the layout of docs/results.md, so that every number is known."""
import json
import os
import pathlib
import pty
import re
import shutil
import signal
import stat
import subprocess
import sys
import textwrap
import time

import h5py
import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
CHAINS, DRAWS, NPIX, NBINS = 2, 300, 16, 3
TRUTH = {"omega_c": 0.2664, "omega_b": 0.0492, "sigma8": 0.831, "h": 0.6727}
SPEC = {
    "kind": "posterior",
    "name": "pretend",
    "seed": 9007199254740993,
    "model": {
        "field": {"size_deg": 1.4, "npix": NPIX, "padding": 1, "ra_deg": 150.1, "dec_deg": 2.2},
        "observable": "convergence",
        "parameters": {"omega_c": {"normal": [0.26, 0.1], "low": 0.05}, "sigma8": {"uniform": [0.3, 1.5]},
                       "omega_b": 0.0492, "h": 0.6727},
    },
    "data": {"mock": {"seed": 7, "parameters": TRUTH}},
}
JOB = {
    "kind": "posterior",
    "name": "tiny",
    "model": {"simulator": "gaussian", "field": {"size_deg": 5, "npix": 16}, "sigma_e": 0.26,
              "sources": {"gaussian": [{"z": 0.8, "sd": 0.2, "n_per_arcmin2": 30}]},
              "parameters": {"sigma8": {"uniform": [0.4, 1.4]}}},
    "data": {"mock": {"seed": 5}},
}
CATALOG = ("catalog", "a", "b", "c", "d", "e", "--npix", "8", "--size-deg", "1", "--sigma-e", "0.3", "-o", "x")


def call(ffctl, *args, cwd=None, env=None, timeout_s=60):
    """Runs ffctl and returns it finished; never a terminal, so no colours and no bars."""
    return subprocess.run([ffctl, *map(str, args)], cwd=cwd or ROOT, env=env, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=timeout_s, check=False)


def put(group, name, values, dims):
    """A variable with its dimension scales, as the writer makes them."""
    dataset = group.create_dataset(name, data=values)
    for axis, dim in enumerate(dims):
        if dim not in group:
            group.create_dataset(dim, data=np.arange(dataset.shape[axis])).make_scale(dim)
        dataset.dims[axis].attach_scale(group[dim])


def new_file(path, spec):
    file = h5py.File(path, "w", track_order=True)
    file.attrs["spec"] = json.dumps(spec)
    file.attrs["version"] = "0.0.0"
    file.attrs["backend"] = "cpu"
    file.attrs["seed"] = spec["seed"]
    return file


def known_samples():
    rng = np.random.default_rng(1)
    omega_c = rng.normal(0.27, 0.02, (CHAINS, DRAWS))
    sigma8 = rng.normal(0.83, 0.05, (CHAINS, DRAWS))
    omega_m = omega_c + 0.0492
    return {"omega_c": omega_c, "sigma8": sigma8, "omega_m": omega_m, "S8": sigma8 * np.sqrt(omega_m / 0.3)}


@pytest.fixture(scope="module")
def posterior(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "posterior.h5"
    samples = known_samples()
    with new_file(path, SPEC) as file:
        group = file.create_group("posterior", track_order=True)
        for name, values in samples.items():
            put(group, name, values, ("chain", "draw"))
        stats = file.create_group("sample_stats", track_order=True)
        put(stats, "lp", -np.arange(CHAINS * DRAWS, dtype=float).reshape(CHAINS, DRAWS), ("chain", "draw"))
        maps = file.create_group("maps", track_order=True)
        y, x = np.mgrid[:NPIX, :NPIX]
        mean = np.stack([(x + 100 * y + 10000 * b).astype("f4") for b in range(NBINS)])
        put(maps, "convergence_mean", mean, ("bin", "y", "x"))
        put(maps, "convergence_sd", np.full((NBINS, NPIX, NPIX), 0.25, "f4"), ("bin", "y", "x"))
        data = file.create_group("observed_data", track_order=True)
        shear = np.stack([np.stack([mean[b], -mean[b]]) for b in range(NBINS)])
        put(data, "shear", shear, ("bin", "component", "y", "x"))
        diagnostics = file.create_group("diagnostics", track_order=True)
        diagnostics.create_dataset("parameter", data=list(samples), dtype=h5py.string_dtype("utf-8"))
        put(diagnostics, "rhat", np.array([1.001, 1.002, 1.003, np.nan]), ("parameter",))
        put(diagnostics, "ess_bulk", np.array([400.0, 250.0, 100.0, 120.0]), ("parameter",))
        put(diagnostics, "ess_tail", np.array([300.0, 200.0, 150.0, 130.0]), ("parameter",))
        for name, value in {"divergences": 3, "gradients": 10000, "seconds": 12.5}.items():
            diagnostics.create_dataset(name, data=value)
        predictive = file.create_group("posterior_predictive", track_order=True)
        put(predictive, "chi2", np.array([250.0, 260.0, 240.0]), ("bin",))
        put(predictive, "chi2_p", np.array([0.4, 0.2, 0.7]), ("bin",))
        put(predictive, "e_data_p", np.linspace(0, 1, NBINS * 8).reshape(NBINS, 8), ("bin", "band"))
    return path


@pytest.fixture(scope="module")
def draws(tmp_path_factory):
    path = tmp_path_factory.mktemp("results") / "draws.h5"
    with new_file(path, {**SPEC, "kind": "draws"}) as file:
        group = file.create_group("draws", track_order=True)
        put(group, "theta", np.linspace(0, 1, 20).reshape(10, 2), ("draw", "parameter"))
        put(group, "valid", np.array([1] * 8 + [0] * 2, "u1"), ("draw",))
        group["x"] = np.zeros((10, NBINS, NPIX, NPIX), "f4")  # its name is that of a pixel axis: no scales here
    return path


# ---- help, version, usage ----

def test_help_lists_commands_with_examples_first(ffctl):
    done = call(ffctl, "help")
    assert done.returncode == 0 and "run" in done.stdout and "submit" in done.stdout
    for command in (entry["name"] for entry in json.loads(call(ffctl, "help", "--json").stdout)["commands"]):
        shown = call(ffctl, command, "--help")
        assert shown.returncode == 0, command
        assert shown.stdout.index("Examples") < shown.stdout.index("Usage"), command
        assert shown.stdout == call(ffctl, "help", command).stdout, command


def test_help_exit_codes_has_every_code_of_the_contract(ffctl):
    codes = json.loads(call(ffctl, "help", "exit-codes", "--json").stdout)["exit_codes"]
    assert [entry["code"] for entry in codes] == [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 130, 143]
    text = call(ffctl, "help", "exit-codes").stdout
    assert all(re.search(rf"^ *{entry['code']}  ", text, re.M) for entry in codes)


def test_help_and_version_speak_json(ffctl):
    commands = json.loads(call(ffctl, "help", "--json").stdout)["commands"]
    assert {command["name"] for command in commands} == {
        "run", "describe", "export", "catalog", "convert", "mock-catalog", "version", "help", "submit", "ls", "get",
        "watch", "wait", "logs", "cancel", "retry", "extend", "download", "upload", "workers", "users", "tokens",
        "usage", "login", "completion"}
    assert all(command["summary"] and command["built"] for command in commands)
    version = json.loads(call(ffctl, "version", "--json").stdout)
    assert version["build"] and version["version"] in call(ffctl, "--version").stdout


def test_version_check_compares_with_the_worker(ffctl, tmp_path):
    binary = pretend_worker(ffctl, tmp_path, "print('ffworker 0.0.0 (another build)')")
    done = call(binary, "version", "--check")
    assert done.returncode == 10 and "another build" in done.stderr
    build = json.loads(call(ffctl, "version", "--json").stdout)["build"]
    binary = pretend_worker(ffctl, tmp_path, f"print('ffworker 0.0.0 ({build})')")
    assert call(binary, "version", "--check").returncode == 0


@pytest.mark.parametrize("args, says", [
    ((), "Commands"),
    (("rum",), "did you mean 'run'"),
    (("qwertyuiop",), "no command"),
    (("--json",), "Commands"),
    (("--threads", "2", "run", "a.json"), "only --json, --no-color, --help and --version may"),
    (("run",), "too few"),
    (("run", "a.json", "b.json"), "too many"),
    (("run", "a.json", "--thread", "2"), "did you mean '--threads'"),
    (("run", "a.json", "--zzzzzzzz"), "unknown option"),
    (("run", "a.json", "-x"), "unknown option"),
    (("run", "a.json", "--threads"), "needs a value"),
    (("run", "a.json", "--threads", "two"), "whole number"),
    (("run", "a.json", "--threads", "0"), "allowed: 1 to 1024"),
    (("run", "a.json", "--backend", "gpu"), "auto|cpu|cuda"),
    (("run", "a.json", "--resume=yes"), "takes no value"),
    (("export", "a.h5", "-o", "x"), "--format"),
    (("export", "a.h5", "--format", "png"), "-o"),
    (("export", "a.h5", "--format", "bmp", "-o", "x"), "allowed"),
    (("export", "a.h5", "--format", "corner", "--bin", "1", "-o", "x"), "--map"),
    (("export", "a.h5", "--format", "getdist", "--map", "m", "-o", "x"), "no --map"),
    (("catalog", "a", "b", "c", "d"), "too few"),
    (("catalog", "a", "b", "c", "d", "e"), "--npix"),
    ((*CATALOG, "--rows", "9:3"), "A < B"),
    ((*CATALOG, "--rotate", "46"), "45"),
    ((*CATALOG, "--ra-deg", "1"), "together"),
    (("convert", "a.npy", "-o", "x"), "--as"),
    (("convert", "a.npy", "--as", "shear", "-o", "x"), "--size-deg"),
    (("convert", "a.txt", "--as", "nz", "--axes", "y,x", "-o", "x"), "belong to maps"),
    (("mock-catalog", "a.h5", "-o", "x"), "--galaxies"),
    (("help", "nothing"), "no help"),
])
def test_usage_errors_exit_2_and_say_what_is_wrong(ffctl, args, says):
    done = call(ffctl, *args)
    assert done.returncode == 2 and done.stdout == ""
    assert says in done.stderr


def test_common_options_may_stand_before_the_command(ffctl, posterior):
    assert json.loads(call(ffctl, "--json", "version").stdout)["version"]
    assert json.loads(call(ffctl, "--json", "--help").stdout)["commands"]
    assert json.loads(call(ffctl, "--json", "--no-color", "convert", "x").stderr)["type"] == "usage"
    assert json.loads(call(ffctl, "--json", "rum").stderr)["type"] == "usage"
    assert call(ffctl, "--no-color", "describe", posterior).stdout == call(ffctl, "describe", posterior).stdout
    assert call(ffctl, "-h", "run").stdout == call(ffctl, "run", "-h").stdout


def test_errors_are_json_when_asked(ffctl):
    error = json.loads(call(ffctl, "describe", "/no/such.h5", "--json").stderr)
    assert error["type"] == "missing-file" and error["exit_code"] == 2 and "/no/such.h5" in error["detail"]
    assert error["next"]


# ---- files that are missing, foreign, damaged ----

@pytest.mark.parametrize("command", [
    ("describe",),
    ("export", "--format", "corner", "-o", "x.png"),
    ("export", "--format", "png", "-o", "x.png"),
    ("export", "--format", "npy", "-o", "x.npy"),
    ("mock-catalog", "--galaxies", "5", "--sigma-e", "0.3", "-o", "x"),
])
def test_unusable_files_exit_2_and_are_named(ffctl, command, tmp_path, posterior):
    bytes_ = posterior.read_bytes()
    files = {"text.h5": b"not HDF5 at all\n" * 100, "empty.h5": b"", "half.h5": bytes_[:len(bytes_) // 2]}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with h5py.File(tmp_path / "foreign.h5", "w") as file:
        file["something"] = np.arange(3)
    for name in [*files, "foreign.h5", "absent.h5"]:
        done = call(ffctl, command[0], tmp_path / name, *command[1:], cwd=tmp_path)
        assert done.returncode == 2, (name, done.stderr)
        assert name in done.stderr, (name, done.stderr)
    assert sorted(os.listdir(tmp_path)) == sorted([*files, "foreign.h5"])


# ---- describe ----

def test_describe_gives_parameters_truth_and_cost(ffctl, posterior):
    shown = json.loads(call(ffctl, "describe", posterior, "--json").stdout)
    assert shown["kind"] == "posterior" and shown["name"] == "pretend" and shown["seed"] == SPEC["seed"]
    samples = known_samples()
    entries = {entry["name"]: entry for entry in shown["parameters"]}
    assert list(entries) == list(samples)
    for name, values in samples.items():
        entry = entries[name]
        low, median, high = np.quantile(values, [0.158655254, 0.5, 0.841344746])
        expected = {"mean": values.mean(), "sd": values.std(ddof=1), "median": median, "low68": low, "high68": high}
        for key, value in expected.items():
            np.testing.assert_allclose(entry[key], value, rtol=1e-9, err_msg=f"{key} of {name}")
    assert entries["sigma8"]["rhat"] == 1.002 and entries["sigma8"]["ess_tail"] == 200
    assert entries["S8"]["rhat"] is None
    np.testing.assert_allclose(entries["omega_m"]["truth"], 0.3156)
    np.testing.assert_allclose(entries["S8"]["truth"], 0.831 * np.sqrt(0.3156 / 0.3))
    assert shown["min_ess"] == 250 and shown["gradients_per_min_ess"] == 40 and shown["divergences"] == 3
    assert shown["p_values"]["chi2_p"] == [0.4, 0.2, 0.7] and len(shown["p_values"]["e_data_p"]) == NBINS * 8
    assert shown["arrays"]["maps/convergence_mean"] == [NBINS, NPIX, NPIX]


def test_describe_for_people_has_no_colour_in_a_pipe(ffctl, posterior):
    text = call(ffctl, "describe", posterior).stdout
    assert "sigma8" in text and "R-hat" in text and "gradients per min-ESS" in text and "truth" in text
    assert "\033" not in text


def test_describe_of_draws_counts_the_invalid(ffctl, draws):
    shown = json.loads(call(ffctl, "describe", draws, "--json").stdout)
    assert shown["kind"] == "draws" and shown["count"] == 10 and shown["invalid"] == 2
    assert shown["arrays"]["draws/x"] == [10, NBINS, NPIX, NPIX]
    assert "outside the model" in call(ffctl, "describe", draws).stdout


# ---- export ----

def export(ffctl, source, *args, cwd):
    done = call(ffctl, "export", source, *args, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done


def test_export_npy_has_chain_draw_and_free_parameters(ffctl, posterior, tmp_path):
    report = json.loads(export(ffctl, posterior, "--format", "npy", "-o", "s.npy", "--json", cwd=tmp_path).stdout)
    table, samples = np.load(tmp_path / "s.npy"), known_samples()
    assert report["columns"] == ["chain", "draw", "omega_c", "sigma8"] and table.shape == (CHAINS * DRAWS, 4)
    np.testing.assert_array_equal(table[:, 0], np.repeat(np.arange(CHAINS), DRAWS))
    np.testing.assert_array_equal(table[:, 1], np.tile(np.arange(DRAWS), CHAINS))
    np.testing.assert_array_equal(table[:, 3], samples["sigma8"].ravel())


def test_export_npy_of_maps_and_of_any_array(ffctl, posterior, draws, tmp_path):
    with h5py.File(posterior) as file:
        mean, shear = file["maps/convergence_mean"][()], file["observed_data/shear"][()]

    def export_map(source, name, output, *args):
        export(ffctl, source, "--format", "npy", "--map", name, *args, "-o", output, cwd=tmp_path)

    export_map(posterior, "convergence_mean", "all.npy")
    export_map(posterior, "convergence_mean", "bin.npy", "--bin", "2")
    export_map(posterior, "observed_data/shear", "shear.npy", "--bin", "1")
    export_map(draws, "draws/theta", "theta.npy")
    np.testing.assert_array_equal(np.load(tmp_path / "all.npy"), mean)
    np.testing.assert_array_equal(np.load(tmp_path / "bin.npy"), mean[2])
    np.testing.assert_array_equal(np.load(tmp_path / "shear.npy"), shear[1])
    assert np.load(tmp_path / "all.npy").dtype == np.float32
    np.testing.assert_array_equal(np.load(tmp_path / "theta.npy"), np.linspace(0, 1, 20).reshape(10, 2))


def test_export_getdist_files_are_those_of_its_conventions(ffctl, posterior, tmp_path):
    report = json.loads(export(ffctl, posterior, "--format", "getdist", "-o", "chains", "--json", cwd=tmp_path).stdout)
    assert report["files"] == ["chains_1.txt", "chains_2.txt", "chains.paramnames", "chains.ranges",
                               "chains.properties.ini"]
    assert sorted(os.listdir(tmp_path)) == sorted(report["files"])
    samples = known_samples()
    chain = np.loadtxt(tmp_path / "chains_2.txt")
    assert chain.shape == (DRAWS, 6) and (chain[:, 0] == 1).all()
    np.testing.assert_array_equal(chain[:, 1], np.arange(DRAWS, 2 * DRAWS))
    for column, name in enumerate(["omega_c", "sigma8", "omega_m", "S8"]):
        np.testing.assert_array_equal(chain[:, 2 + column], samples[name][1])
    names = dict(line.split("\t") for line in (tmp_path / "chains.paramnames").read_text().splitlines())
    assert list(names) == ["omega_c", "sigma8", "omega_m*", "S8*"]
    assert names["omega_c"] == r"\Omega_c" and names["sigma8"] == r"\sigma_8"
    ranges = [line.split() for line in (tmp_path / "chains.ranges").read_text().splitlines()]
    assert [ranges[0][0], float(ranges[0][1]), ranges[0][2]] == ["omega_c", 0.05, "N"]
    assert [ranges[1][0], float(ranges[1][1]), float(ranges[1][2])] == ["sigma8", 0.3, 1.5]
    assert "burn_removed=T" in (tmp_path / "chains.properties.ini").read_text()


def test_export_getdist_refuses_chains_left_by_another_posterior(ffctl, posterior, tmp_path):
    (tmp_path / "chains_3.txt").write_text("1 0 0\n")
    done = call(ffctl, "export", posterior, "--format", "getdist", "-o", "chains", cwd=tmp_path)
    assert done.returncode == 2 and "chains_3.txt" in done.stderr
    assert os.listdir(tmp_path) == ["chains_3.txt"]


def test_getdist_loads_the_export(ffctl, posterior, tmp_path):
    getdist = pytest.importorskip("getdist", reason="getdist is not installed (PyPI)")
    export(ffctl, posterior, "--format", "getdist", "-o", "chains", cwd=tmp_path)
    loaded = getdist.loadMCSamples(str(tmp_path / "chains"), settings={"ignore_rows": 0})
    assert loaded.numrows == CHAINS * DRAWS
    assert {p.name for p in loaded.paramNames.names if p.isDerived} == {"omega_m", "S8"}
    np.testing.assert_allclose(loaded.mean("sigma8"), known_samples()["sigma8"].mean(), rtol=1e-9)


def test_export_fits_mirrors_x_and_has_a_wcs(ffctl, posterior, tmp_path):
    fits = pytest.importorskip("astropy.io.fits")
    wcs = pytest.importorskip("astropy.wcs")
    for name, output in (("convergence_mean", "map.fits"), ("observed_data/shear", "shear.fits")):
        export(ffctl, posterior, "--format", "fits", "--map", name, "--bin", "1", "-o", output, cwd=tmp_path)
    with h5py.File(posterior) as file:
        mean, shear = file["maps/convergence_mean"][1], file["observed_data/shear"][1]
    with fits.open(tmp_path / "map.fits") as hdus:
        image = next(hdu for hdu in hdus if hdu.data is not None)
        np.testing.assert_array_equal(image.data, mean[:, ::-1])
        history = " ".join(str(line) for line in image.header["HISTORY"])
        assert "pretend" in history and str(SPEC["seed"]) in history and "bin 1" in history
        sky = wcs.WCS(image.header)
        centre = sky.wcs_pix2world([[(NPIX + 1) / 2, (NPIX + 1) / 2]], 1)[0]
        np.testing.assert_allclose(centre, [150.1, 2.2], atol=1e-9)
        left = sky.wcs_pix2world([[1, (NPIX + 1) / 2]], 1)[0]
        assert left[0] > centre[0]  # East is left
    with fits.open(tmp_path / "shear.fits") as hdus:
        images = [hdu.data for hdu in hdus if hdu.data is not None]
        np.testing.assert_array_equal(images[0], shear[0][:, ::-1])
        np.testing.assert_array_equal(images[1], -shear[1][:, ::-1])


def png_size(path):
    content = path.read_bytes()
    assert content[:8] == b"\x89PNG\r\n\x1a\n"
    return int.from_bytes(content[16:20], "big"), int.from_bytes(content[20:24], "big")


def test_export_pictures(ffctl, posterior, tmp_path):
    export(ffctl, posterior, "--format", "png", "-o", "map.png", cwd=tmp_path)
    export(ffctl, posterior, "--format", "png", "--map", "convergence_sd", "--bin", "2", "-o", "sd.png", cwd=tmp_path)
    export(ffctl, posterior, "--format", "corner", "-o", "corner.png", cwd=tmp_path)
    for name in ("map.png", "sd.png", "corner.png"):
        assert min(png_size(tmp_path / name)) > 500, name


@pytest.mark.parametrize("args, says", [
    (("--format", "png", "--map", "convergence_mean", "--bin", "3"), "bins 0 to 2"),
    (("--format", "png", "--map", "nothing"), "nothing"),
    (("--format", "png", "--map", "observed_data/shear"), "two components"),
    (("--format", "fits", "--map", "posterior/sigma8"), "no square maps"),
    *((("--format", name), "not in this build; npy, getdist, fits, png and corner are\n  where: --format\n")
      for name in ("cosmosis", "healpix")),
])
def test_exports_that_cannot_be_are_refused(ffctl, posterior, tmp_path, args, says):
    done = call(ffctl, "export", posterior, *args, "-o", "out", cwd=tmp_path)
    assert done.returncode == 2 and says in done.stderr, done.stderr
    assert os.listdir(tmp_path) == []


def test_export_where_nothing_can_be_written(ffctl, posterior, draws, tmp_path):
    done = call(ffctl, "export", posterior, "--format", "corner", "-o", "no/such/folder/x.png", cwd=tmp_path)
    assert done.returncode in (1, 2) and "no/such/folder" in done.stderr
    done = call(ffctl, "export", draws, "--format", "corner", "-o", "x.png", cwd=tmp_path)
    assert done.returncode == 2 and "no /posterior" in done.stderr


# ---- catalogues ----

@pytest.fixture
def shear_map(tmp_path):
    path = tmp_path / "shear.h5"
    with h5py.File(path, "w") as file:
        shear = np.zeros((1, 2, 8, 8), "f4")
        shear[0, 0], shear[0, 1] = 0.5, np.arange(8)[None, :] * 0.1
        file["shear"] = shear
        noise = np.full(shear.shape, 0.1, "f4")
        noise[..., 0] = np.inf
        file["noise_sd"] = noise
        file.attrs.update({"size_deg": 2.0, "ra_deg": 150.0, "dec_deg": 40.0})
    return path


def test_mock_catalogue_comes_back_as_its_map(ffctl, shear_map, tmp_path):
    made = call(ffctl, "mock-catalog", shear_map, "--galaxies", 40000, "--sigma-e", 0.05, "--seed", 3, "--flip-e2",
                "-o", "mock", "--json", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    columns = json.loads(made.stdout)["files"]
    done = call(ffctl, "catalog", *columns, "--npix", 8, "--size-deg", 2, "--sigma-e", 0.05, "--flip-e2", "--ra-deg",
                150, "--dec-deg", 40, "-o", "map.h5", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["used"] == 40000 and facts["empty_pixels"] == 8 and facts["outside"] == 0
    with h5py.File(tmp_path / "map.h5") as ours, h5py.File(shear_map) as truth:
        assert np.isinf(ours["noise_sd"][0, 0, :, 0]).all()
        pull = (ours["shear"][0, :, :, 1:] - truth["shear"][0, :, :, 1:]) / ours["noise_sd"][0, :, :, 1:]
    assert abs(pull).max() < 5 and 0.7 < pull.std() < 1.3, (abs(pull).max(), pull.std())


def test_mock_catalogue_of_a_simulation_is_the_same_for_a_seed(ffctl, tmp_path):
    spec = {**SPEC, "kind": "simulate"}
    with new_file(tmp_path / "sim.h5", spec) as file:
        file["simulation/shear"] = np.zeros((2, 1, 2, NPIX, NPIX), "f4")
    for folder, seed in (("a", 1), ("b", 1), ("c", 2)):
        done = call(ffctl, "mock-catalog", "sim.h5", "--galaxies", 100, "--sigma-e", 0.3, "--seed", seed, "-o", folder,
                    cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "a/ra.fits").read_bytes() == (tmp_path / "b/ra.fits").read_bytes()
    assert (tmp_path / "a/ra.fits").read_bytes() != (tmp_path / "c/ra.fits").read_bytes()
    fits = pytest.importorskip("astropy.io.fits")
    ra, dec = (fits.getdata(tmp_path / f"a/{name}.fits") for name in ("ra", "dec"))
    assert ra.dtype == ">f8" and abs(dec - 2.2).max() < 0.7
    assert abs(ra - 150.1).max() < 0.7 / np.cos(np.radians(2.2)) + 1e-9


def test_catalogue_columns_of_different_length_are_refused(ffctl, shear_map, tmp_path):
    for folder, galaxies in (("a", 50), ("b", 60)):
        call(ffctl, "mock-catalog", shear_map, "--galaxies", galaxies, "--sigma-e", 0.3, "-o", folder, cwd=tmp_path)
    columns = [f"a/{name}.fits" for name in ("ra", "dec", "e1", "e2")] + ["b/weight.fits"]
    done = call(ffctl, "catalog", *columns, "--npix", 8, "--size-deg", 2, "--sigma-e", 0.3, "-o", "map.h5",
                cwd=tmp_path)
    assert done.returncode == 2 and "60" in done.stderr and not (tmp_path / "map.h5").exists()


def test_convert_and_describe_of_the_dataset(ffctl, tmp_path):
    np.save(tmp_path / "maps.npy", np.zeros((8, 8, 2), "f4"))
    done = call(ffctl, "convert", "maps.npy", "--as", "convergence", "--axes", "y,x,bin", "--size-deg", 10,
                "--noise-sd", "0.1,0.2", "-o", "maps.h5", "--json", cwd=tmp_path)
    assert done.returncode == 0 and json.loads(done.stdout)["file"] == "maps.h5", done.stderr
    shown = json.loads(call(ffctl, "describe", "maps.h5", "--json", cwd=tmp_path).stdout)
    assert shown["arrays"]["convergence"] == [2, 8, 8] and shown["size_deg"] == 10


def pretend(ffctl, where, name, body):
    """A copy of ffctl in `where` with a Python script as its `name` (ffworker, ffserver); returns the copy."""
    binary = where / "ffctl"
    if not binary.exists():
        shutil.copy(ffctl, binary)
    script = where / name
    imports = "import json, os, pathlib, shutil, signal, sys, time\n"
    script.write_text(f"#!{sys.executable}\n{imports}" + textwrap.dedent(body))
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    return binary


def pretend_worker(ffctl, where, body):
    return pretend(ffctl, where, "ffworker", body)


def test_a_full_disk_under_stdout_is_an_error(ffctl, posterior):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        done = subprocess.run([ffctl, "describe", posterior], stdout=full, stderr=subprocess.PIPE, text=True,
                              check=False)
    assert done.returncode == 8 and "standard output" in done.stderr
