"""Jobs from outside: simulate, draws and spectrum through ffworker, bits that do not depend on threads, refusals."""
import copy
import json
import random
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

MODEL = {
    "simulator": "lognormal",
    "field": {"size_deg": 5, "npix": 24},
    "sources": {"gaussian": [{"z": 0.6, "sd": 0.12, "n_per_arcmin2": 15}, {"z": 1.2, "sd": 0.2, "n_per_arcmin2": 15}]},
    "sigma_e": 0.26,
    "parameters": {
        "omega_c": {"normal": [0.27, 0.06], "low": 0.05},
        "sigma8": {"uniform": [0.4, 1.3]},
        "m_1": {"normal": [0, 0.02]},
        "A_ia": 0.3,
    },
}
DRAWS = {"kind": "draws", "seed": 11, "count": 40, "chunk": 7, "scores": True, "model": MODEL}
SIMULATE = {"kind": "simulate", "seed": 11, "count": 3, "outputs": ["convergence", "shear", "spectra"], "model": MODEL}
SPECTRUM = {"kind": "spectrum", "ell": [100, 300, 1000], "derivatives": True, "model": MODEL}
NOBS = (2, 24, 24)


def with_model(job, **members):
    job = copy.deepcopy(job)
    job["model"].update(members)
    return job


def names(f, group):
    return [n.decode() for n in f[group + "/parameter"][:]]


def contents(path):
    """Every dataset as bytes, texts as texts, and the counters of the work."""
    found = {}

    def take(name, item):
        if isinstance(item, h5py.Dataset):
            values = item[()]
            found[name] = values.tolist() if values.dtype == object else (values.dtype, values.shape, values.tobytes())

    with h5py.File(path) as f:
        f.visititems(take)
        found.update({name: f.attrs[name] for name in ("gradients", "model_evaluations", "seed", "fft_plan_hash")})
    return found


def assert_same_bits(a, b):
    first, second = contents(a), contents(b)
    assert first.keys() == second.keys()
    assert [name for name in first if first[name] != second[name]] == []


def ok(answer):
    path, status, text = answer
    assert status == 0, text
    return path


@pytest.fixture(scope="module")
def draws(run_job, tmp_path_factory):
    return ok(run_job(DRAWS, tmp_path_factory.mktemp("draws"), threads=2))


@pytest.fixture(scope="module")
def simulation(run_job, tmp_path_factory):
    return ok(run_job(SIMULATE, tmp_path_factory.mktemp("simulation"), threads=2))


# ---- draws ----


def test_draws_layout(draws):
    with h5py.File(draws) as f:
        assert names(f, "draws") == ["omega_c", "sigma8", "m_1"]
        g = f["draws"]
        assert g["theta"].shape == (40, 3) and g["theta"].dtype == np.float64
        assert g["x"].shape == (40, *NOBS) and g["x"].dtype == np.float32
        assert g["score"].shape == (40, 3) and g["score"].dtype == np.float64
        assert g["valid"].shape == (40,) and set(g["valid"][:]) <= {0, 1}
        assert [d.keys()[0] for d in g["theta"].dims] == ["draw", "parameter"]
        assert [d.keys()[0] for d in g["x"].dims][:2] == ["draw", "bin"]
        assert f.attrs["model_evaluations"] == 40 and f.attrs["gradients"] == g["valid"][:].sum()
        spec = json.loads(f.attrs["spec"])
        assert spec["count"] == 40 and spec["model"]["power"] == "halofit"
        for name in ("x", "theta", "score"):
            assert np.isfinite(g[name][:]).all()


def test_draws_noise_has_its_variance(draws, run_job, tmp_path):
    clean = ok(run_job({**DRAWS, "noise": False, "scores": False}, tmp_path))
    with h5py.File(draws) as a, h5py.File(clean) as b:
        valid = a["draws/valid"][:] == 1
        noise = (a["draws/x"][:] - b["draws/x"][:])[valid]
        assert np.array_equal(a["draws/theta"][:], b["draws/theta"][:])
    expected = 0.26 / np.sqrt(15 * (5 * 60 / 24) ** 2)
    assert noise.std() == pytest.approx(expected, rel=5 / np.sqrt(2 * noise.size))
    assert abs(noise.mean()) < 5 * expected / np.sqrt(noise.size)


def test_scores_are_derivatives_at_fixed_latent(draws, run_job, tmp_path):
    """One draw at shifted parameters: with z and noise fixed, d log p(x | theta, z)/d theta is the slope of chi2."""
    with h5py.File(draws) as f:
        theta, score, x = f["draws/theta"][0], f["draws/score"][0], f["draws/x"][0]
    sd = 0.26 / np.sqrt(15 * (5 * 60 / 24) ** 2)

    def loglike(name, value):
        fixed = dict(zip(("omega_c", "sigma8", "m_1"), map(float, theta)), A_ia=0.3)
        fixed[name] = value
        job = {**with_model(DRAWS, parameters=fixed), "count": 1, "noise": False, "scores": False}
        with h5py.File(ok(run_job(job, tmp_path, name="shifted"))) as f:
            return -0.5 * np.sum(((x - f["draws/x"][0].astype(float)) / sd) ** 2)

    for i, (name, step) in enumerate((("omega_c", 3e-3), ("sigma8", 1e-2), ("m_1", 1e-2))):
        slope = (loglike(name, theta[i] + step) - loglike(name, theta[i] - step)) / (2 * step)
        assert score[i] == pytest.approx(slope, rel=1e-2, abs=0.5), name


@pytest.mark.parametrize("threads,chunk", [(1, 7), (3, 7), (2, 40)])
def test_draws_same_bits_for_any_threads_and_chunks(draws, run_job, tmp_path, threads, chunk):
    path = ok(run_job({**DRAWS, "chunk": chunk}, tmp_path, threads=threads))
    with h5py.File(draws) as a, h5py.File(path) as b:
        for name in ("theta", "x", "valid", "score"):
            assert a["draws/" + name][:].tobytes() == b["draws/" + name][:].tobytes(), name


def test_draws_survive_kills(ffworker, run_job, tmp_path):
    """kill -9 after random amounts of work and while the result is assembled; each time it goes on with --resume."""
    big = {**with_model(DRAWS, field={"size_deg": 5, "npix": 48}), "count": 200, "chunk": 32}
    whole = ok(run_job(big, tmp_path, name="whole"))
    spec, out, kept = tmp_path / "whole.json", tmp_path / "killed.h5", tmp_path / "killed.h5.ckpt"
    part = tmp_path / "killed.h5.part"
    total = 200 * 2 * 48 * 48 * 4
    rng = random.Random(4)

    def done_bytes():
        return sum(f.stat().st_size for f in kept.iterdir()) if kept.exists() else 0

    shares = sorted(rng.uniform(0.05, 0.95) for _ in range(5))
    kills = [lambda share=share: done_bytes() > share * total for share in shares]
    killed = 0
    for reached in kills + [part.exists]:
        command = [ffworker, "--job", spec, "-o", out, "--threads", "2"] + (["--resume"] if killed else [])
        part.unlink(missing_ok=True)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        while process.poll() is None and not reached():
            time.sleep(0.001)
        process.kill()
        _, text = process.communicate()
        assert process.returncode in (0, -signal.SIGKILL), text
        if process.returncode == 0:
            break  # faster than the watcher
        killed += 1
        assert kept.exists() and not out.exists()
    assert killed >= 3
    if not out.exists():
        done = subprocess.run([ffworker, "--job", spec, "-o", out, "--resume"], capture_output=True, text=True,
                              check=False)
        assert done.returncode == 0, done.stderr
    assert not kept.exists()
    assert_same_bits(whole, out)


@pytest.mark.parametrize("number,status", [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_signals_keep_the_draws(ffworker, tmp_path, number, status):
    spec, out = tmp_path / "job.json", tmp_path / "job.h5"
    spec.write_text(json.dumps({**DRAWS, "count": 100000, "chunk": 1000}))
    process = subprocess.Popen([ffworker, "--job", spec, "-o", out], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               text=True)
    time.sleep(0.5)
    process.send_signal(number)
    events, text = process.communicate(timeout=30)
    assert process.returncode == status, text
    assert "--resume" in text
    assert not out.exists() and (tmp_path / "job.h5.ckpt" / "draws-0.store").exists()
    assert json.loads(events.splitlines()[-1])["state"] == "cancelled"


def test_the_checkpoint_of_another_job_is_refused(ffworker, tmp_path):
    spec, out = tmp_path / "job.json", tmp_path / "job.h5"
    spec.write_text(json.dumps({**DRAWS, "count": 100000}))
    process = subprocess.Popen([ffworker, "--job", spec, "-o", out], stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)
    time.sleep(0.4)
    process.kill()
    process.wait()
    spec.write_text(json.dumps({**DRAWS, "count": 100000, "seed": 12}))
    done = subprocess.run([ffworker, "--job", spec, "-o", out, "--resume"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 8, done.stderr
    assert (tmp_path / "job.h5.ckpt").exists()


# ---- simulate ----


def test_simulate_layout(simulation):
    with h5py.File(simulation) as f:
        g = f["simulation"]
        assert g["convergence"].shape == (3, *NOBS) and g["shear"].shape == (3, 2, 2, 24, 24)
        assert [d.keys()[0] for d in g["convergence"].dims][:2] == ["draw", "bin"]
        assert names(f, "simulation")[:2] == ["omega_c", "omega_b"] and g["theta"].shape == (3, 14)
        assert g["convergence"].attrs["noise"] == "included" and g["shear"].attrs["noise"] == "none"
        bands = f["spectra/bands"][:]
        assert f["spectra/measured"].shape == (3, 3, len(bands)) and np.isfinite(f["spectra/measured"][:]).all()
        assert (bands[1:, 0] == bands[:-1, 1]).all()


def test_simulate_and_draws_share_their_draws(simulation, draws):
    with h5py.File(simulation) as s, h5py.File(draws) as d:
        rows = [names(s, "simulation").index(n) for n in names(d, "draws")]
        assert np.array_equal(s["simulation/theta"][:][:, rows], d["draws/theta"][:3])
        a, b = s["simulation/convergence"][:], d["draws/x"][:3]
        assert np.abs(a - b).max() < 1e-5 * np.abs(b).max()


def test_simulate_same_bits_for_any_threads(simulation, run_job, tmp_path):
    assert_same_bits(simulation, ok(run_job(SIMULATE, tmp_path, threads=1)))
    assert_same_bits(simulation, ok(run_job(SIMULATE, tmp_path, threads=3)))


def test_shear_is_the_transform_of_the_convergence(run_job, tmp_path):
    """gamma(l) = ((l1^2 - l2^2) + 2 i l1 l2)/|l|^2 kappa(l), by numpy, for a model whose observable is the shear."""
    job = with_model({**SIMULATE, "noise": False, "outputs": ["convergence", "shear"]}, observable="shear")
    job["model"]["parameters"] = {"sigma8": 0.8}
    with h5py.File(ok(run_job(job, tmp_path))) as f:
        kappa, shear = f["simulation/convergence"][0, 1].astype(float), f["simulation/shear"][0, 1].astype(float)
        assert f["simulation/shear"].attrs["contents"] == "observable: shear"
    l1, l2 = np.meshgrid(np.fft.fftfreq(24), np.fft.fftfreq(24))
    norm = np.where(l1**2 + l2**2 > 0, l1**2 + l2**2, 1)
    off_nyquist = (l1 != -0.5) & (l2 != -0.5)
    k = np.fft.fft2(kappa)
    for component, kernel in zip(shear, ((l1**2 - l2**2) / norm, 2 * l1 * l2 / norm * off_nyquist)):
        assert np.abs(component - np.fft.ifft2(kernel * k).real).max() < 1e-5 * np.abs(kappa).max()


# ---- spectrum ----


def test_spectrum_and_its_derivatives(run_job, tmp_path):
    base = ok(run_job(SPECTRUM, tmp_path))
    with h5py.File(base) as f:
        g = f["spectra"]
        assert g["ell"][:].tolist() == [100, 300, 1000]
        assert g["pairs"][:].tolist() == [[0, 0], [0, 1], [1, 1]]
        theory, slopes, parameters = g["theory"][:], g["d_theory"][:], names(f, "spectra")
        theta = dict(zip(parameters, g["theta"][:]))
        assert {"omega_c", "omega_b", "h", "n_s", "sigma8", "w0", "wa", "A_ia", "m_1"} <= set(parameters)
        assert (theory > 0).all() and slopes.shape == (len(parameters), 3, 3)
    for name, step in (("omega_c", 1e-4), ("w0", 1e-3), ("A_ia", 1e-3), ("m_1", 1e-3), ("dz_2", 1e-4)):
        ends = []
        for sign in (1, -1):
            fixed = {n: float(v) for n, v in theta.items()}
            fixed[name] += sign * step
            with h5py.File(ok(run_job(with_model(SPECTRUM, parameters=fixed), tmp_path, name="end"))) as f:
                ends.append(f["spectra/theory"][:])
        got, expected = slopes[parameters.index(name)], (ends[0] - ends[1]) / (2 * step)
        assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max(), name


def test_spectrum_default_grid_and_data(run_job, tmp_path):
    job = {"kind": "spectrum", "model": MODEL, "data": {"mock": {"seed": 5}}}
    with h5py.File(ok(run_job(job, tmp_path))) as f:
        g = f["spectra"]
        assert g["ell"][0] == pytest.approx(72) and g["ell"][-1] == pytest.approx(36 * 24)
        assert g["theory"].shape == (3, len(g["ell"])) and "d_theory" not in g
        assert g["measured"].shape == (3, len(g["bands"])) and np.isfinite(g["measured"][:]).all()


# ---- the program ----


def test_check_passes(ffworker, tmp_path):
    spec = tmp_path / "job.json"
    spec.write_text(json.dumps(DRAWS))
    done = subprocess.run([ffworker, "--check", spec], capture_output=True, text=True, timeout=120, check=False)
    report = json.loads(done.stdout)
    bad = [c for c in report["checks"] if not c["ok"]]
    assert done.returncode == 0 and report["ok"], json.dumps(bad, indent=1) + done.stderr
    assert {c["precision"] for c in report["checks"]} == {"f32", "f64"}
    for words in ("adjoint", "log density, white", "log density, whitened"):
        assert sum(c["name"].startswith(words + ": ") for c in report["checks"]) == 2 * 4 + 1
    for c in report["checks"]:
        assert c["relative_error"] <= c["tolerance"] == {"f64": 1e-6, "f32": 1e-3}[c["precision"]]


def test_check_out_of_tolerance_fails(ffworker, tmp_path):
    """Across a prior this narrow doubles hold some hundred numbers: differences are rounding."""
    spec = tmp_path / "job.json"
    narrow = with_model(DRAWS, field={"size_deg": 5, "npix": 16}, parameters={"sigma8": {"normal": [0.8, 1e-13]}})
    spec.write_text(json.dumps(narrow))
    done = subprocess.run([ffworker, "--check", spec], capture_output=True, text=True, timeout=120, check=False)
    report = json.loads(done.stdout)
    assert done.returncode == 1 and report["ok"] is False, done.stderr
    bad = {c["name"] for c in report["checks"] if not c["ok"]}
    assert "adjoint: sigma8" in bad and "adjoint: latent" not in bad, bad
    for c in report["checks"]:
        assert c["ok"] == (c["relative_error"] <= c["tolerance"])


def test_events_are_the_contract(ffworker, tmp_path):
    spec = tmp_path / "job.json"
    spec.write_text(json.dumps(DRAWS))
    done = subprocess.run([ffworker, "--job", spec, "-o", tmp_path / "job.h5"], capture_output=True, text=True,
                          check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert all(e["attempt"] == 1 and e["time"].endswith("Z") for e in events)
    assert events[-1]["type"] == "end" and events[-1]["state"] == "succeeded"
    assert {e["task"] for e in events if e["type"] == "state" and e["task"]} >= {"draws-0", "draws-5"}
    last = [e for e in events if e["type"] == "progress" and e["stage"] == "draws"][-1]
    assert last["done"] == last["total"] == 40 and last["eta_s"] == 0


SHIFT_AXES = {"omega_m": [0.1, 0.3, 0.5], "sigma8": [0.4, 0.8, 1.2], "w0": [-1.5, -1.0, -0.5]}


def refusals():
    yield "unknown member", {**DRAWS, "cuont": 3}, 2, "/cuont"
    yield "wrong type", {**DRAWS, "count": "3"}, 2, "/count"
    yield "negative npix", with_model(DRAWS, field={"size_deg": 5, "npix": -4}), 2, "/model/field/npix"
    yield "low above high", with_model(DRAWS, parameters={"h": {"uniform": [0.9, 0.5]}}), 2, "/model/parameters/h"
    yield "no such dataset", {**SPECTRUM, "data": {"dataset": "@absent.h5"}}, 2, "/data/dataset"
    real = {**SPECTRUM, "data": {"dataset": "@kappa.h5"}}
    yield "convergence for shear", with_model(real, observable="shear"), 2, "/data/dataset"
    yield "other size", with_model(real, field={"size_deg": 4, "npix": 24}), 2, "/data/dataset"
    yield "other pixels", with_model(real, field={"size_deg": 5, "npix": 32}), 2, "/data/dataset"
    yield "NaN", {**SPECTRUM, "data": {"dataset": "@nan.h5"}}, 2, "/data/dataset"
    yield "no HDF5", {**SPECTRUM, "data": {"dataset": "@text.h5"}}, 2, "/data/dataset"
    nz = {"tables": [{"nz": "@nz_back.h5", "n_per_arcmin2": 15}]}
    yield "n(z) runs back", with_model(DRAWS, sources=nz), 2, "/model/sources/tables/0/nz"
    nz = {"tables": [{"nz": f"@nz_{kind}.h5", "n_per_arcmin2": 15} for kind in ("good", "back")]}
    yield "second n(z) runs back", with_model(DRAWS, sources=nz), 2, "/model/sources/tables/1/nz"
    for axis in SHIFT_AXES:
        shift = {"shift": {"table": f"@shift_{axis}.h5"}}
        yield f"shift table, {axis} runs back", with_model(DRAWS, lognormal=shift), 2, "/model/lognormal/shift/table"
    yield "10^9 pixels", with_model(DRAWS, field={"size_deg": 5, "npix": 32768}), 2, "/model/field/npix"
    huge = {**DRAWS, "resources": {"threads": 1024}}
    yield "too much memory", with_model(huge, field={"size_deg": 5, "npix": 8100}), 8, "/model/field/npix"
    yield "kind of the contract, not built", {**DRAWS, "kind": "implicit"}, 2, "/kind"


@pytest.fixture(scope="module")
def bad_data(tmp_path_factory):
    where = tmp_path_factory.mktemp("bad")
    for name, value in (("kappa", 0.01), ("nan", np.nan)):
        with h5py.File(where / f"{name}.h5", "w") as f:
            f["convergence"] = np.full(NOBS, value, np.float32)
            f.attrs.update(size_deg=5.0, ra_deg=0.0, dec_deg=0.0)
    (where / "text.h5").write_text("this is no HDF5 file\n")
    for name, z in (("good", [0.1, 0.5, 0.9, 1.3]), ("back", [0.1, 0.9, 0.5, 1.3])):
        with h5py.File(where / f"nz_{name}.h5", "w") as f:
            f["z"], f["n"] = z, [0.0, 1.0, 1.0, 0.0]
    for back in SHIFT_AXES:
        with h5py.File(where / f"shift_{back}.h5", "w") as f:
            for axis, values in SHIFT_AXES.items():
                f[axis] = values[::-1] if axis == back else values
            f["shift"] = np.full((3, 3, 3, NOBS[0]), 0.03)
    return where


@pytest.mark.parametrize("job,status,pointer", [pytest.param(*r[1:], id=r[0]) for r in refusals()])
def test_bad_jobs_are_refused_before_any_work(ffworker, bad_data, job, status, pointer):
    spec, out = bad_data / "job.json", bad_data / "job.h5"
    spec.write_text(json.dumps(job))
    threads = job.get("resources", {}).get("threads", 2)
    done = subprocess.run([ffworker, "--job", spec, "-o", out, "--threads", str(threads)], capture_output=True,
                          text=True, timeout=60, check=False)
    assert done.returncode == status, done.stderr
    assert pointer in done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(e["type"], e["state"]) for e in events] == [("end", "failed")]
    assert not list(bad_data.glob("job.h5*"))


def test_data_that_fits_is_taken(ffworker, bad_data):
    spec, out = bad_data / "good.json", bad_data / "good.h5"
    spec.write_text(json.dumps({**SPECTRUM, "data": {"dataset": "@kappa.h5"}}))
    done = subprocess.run([ffworker, "--job", spec, "-o", out], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with h5py.File(out) as f:
        assert json.loads(f.attrs["spec"])["data"]["dataset"].startswith("sha256:")
    out.unlink()


@pytest.mark.parametrize("options,words", [
    ([], "--job"),
    (["--job", "x.json"], "-o"),
    (["--job", "absent.json", "-o", "y.h5"], "absent.json"),
    (["--job", "x.json", "-o", "y.h5", "--threads", "0"], "--threads"),
    (["--job", "x.json", "-o", "y.h5", "--backend", "cuda"], "not in this build"),
    (["--job", "x.json", "-o", "y.h5", "--ranks", "2"], "/resources/ranks"),
    (["--connect", "tcp://host:1"], "--server-key"),
    (["--nonsense"], "--help"),
])
def test_bad_command_lines(ffworker, tmp_path, options, words):
    done = subprocess.run([ffworker, *options], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and words in done.stderr, done.stderr
    assert not list(tmp_path.iterdir())


def test_a_result_without_a_folder_is_refused(ffworker, tmp_path):
    spec = tmp_path / "job.json"
    spec.write_text(json.dumps(DRAWS))
    done = subprocess.run([ffworker, "--job", spec, "-o", tmp_path / "no" / "out.h5"], capture_output=True, text=True,
                          check=False)
    assert done.returncode == 2 and str(tmp_path / "no") in done.stderr
