"""The posterior job from outside: bits that do not depend on threads, kills or resuming; the fast road checked by the
slow."""
import copy
import json
import os
import random
import signal
import subprocess
import time

import h5py
import numpy as np
import pytest

SMALL = {
    "kind": "posterior",
    "name": "small",
    "seed": 3,
    "model": {
        "simulator": "lognormal",
        "field": {"size_deg": 5, "npix": 16},
        "sources": {"gaussian": [{"z": 0.6, "sd": 0.12, "n_per_arcmin2": 15},
                                 {"z": 1.2, "sd": 0.2, "n_per_arcmin2": 15}]},
        "sigma_e": 0.26,
        "parameters": {
            "omega_c": {"normal": [0.27, 0.06], "low": 0.05},
            "sigma8": {"uniform": [0.4, 1.3]},
            "m_1": {"normal": [0, 0.02]},
            "dz_2": {"normal": [0, 0.02]},
        },
    },
    "data": {"mock": {"seed": 7}},
    "sampler": {"chains": 3, "warmup": 30, "draws": 40, "fields": {"keep": "thin", "every": 10}},
}


def contents(path):
    """Every dataset but seconds, and the deterministic root attributes."""
    found = {}
    with h5py.File(path) as f:
        f.visititems(lambda name, item: found.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset) else None)
        for name in ("gradients", "model_evaluations", "seed", "spec", "fft_plan_hash"):
            found["@" + name] = f.attrs[name]
    return {k: v for k, v in found.items() if not k.endswith("seconds")}


def bits(value):
    """Bytes of an array or scalar; texts (whose memory is only pointers) by their content."""
    array = np.asarray(value)
    return repr(array.tolist()).encode() if array.dtype == object else array.tobytes()


def assert_same_bits(a, b):
    first, second = contents(a), contents(b)
    assert first.keys() == second.keys()
    for name, value in first.items():
        assert bits(value) == bits(second[name]), f"{name} differs"


@pytest.fixture(scope="module")
def reference(run_job, tmp_path_factory):
    path, status, text = run_job(SMALL, tmp_path_factory.mktemp("reference"))
    assert status == 0, text
    return path


def test_same_bits_for_any_threads(reference, run_job, tmp_path):
    for threads in (1, 3):
        path, status, text = run_job(SMALL, tmp_path, name=f"t{threads}", threads=threads)
        assert status == 0, text
        assert_same_bits(reference, path)


def test_layout(reference):
    with h5py.File(reference) as f:
        assert set(f["posterior"]) >= {"omega_c", "sigma8", "m_1", "dz_2", "omega_m", "S8", "chain", "draw"}
        assert f["posterior/sigma8"].shape == (3, 40)
        assert f["maps/convergence_mean"].shape == (2, 16, 16)
        assert f["fields/convergence"].shape == (3, 4, 2, 16, 16)
        assert np.all(np.isfinite(f["maps/convergence_sd"])) and np.all(f["maps/convergence_sd"][()] > 0)
        s8 = f["posterior/sigma8"][()] * np.sqrt(f["posterior/omega_m"][()] / 0.3)
        assert np.allclose(s8, f["posterior/S8"], rtol=1e-12)
        p = f["posterior_predictive/chi2_p"][()]
        assert np.all((p > 0.001) & (p < 0.999)), p
        truth = dict(zip(f["constant_data/parameter"].asstr()[()], f["constant_data/truth"][()]))
        assert truth["sigma8"] == pytest.approx(0.831)
        lp = f["sample_stats/lp"][()]
        assert np.all(np.isfinite(lp))


@pytest.mark.parametrize("which", ["ffctl", "both"])
def test_killed_at_random_moments_resumes_to_the_same_bits(which, reference, ffctl, tmp_path):
    """kill -9 of ffctl alone (its worker then stops at a checkpoint by itself) and of both at once."""
    rng = random.Random(11 if which == "ffctl" else 12)
    job, out = tmp_path / "small.json", tmp_path / "small.h5"
    job.write_text(json.dumps(SMALL))
    command = [ffctl, "run", job, "-o", out, "--checkpoint-every", "0.1"]
    begun = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - begun
    assert_same_bits(reference, out)
    out.unlink()
    kills = 10
    for k in range(kills):
        process = subprocess.Popen(command + (["--resume"] if k else []), stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True)
        time.sleep(rng.uniform(0, 2 * whole / kills))
        if which == "both":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for_group(process.pid)
        if out.exists():
            break
    done = subprocess.run(command + ["--resume"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert_same_bits(reference, out)
    assert not (tmp_path / "small.h5.ckpt").exists()


def wait_for_group(group, timeout_s=30):
    """Until no process of the session is left: a worker that lost its ffctl ends by itself."""
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return
        time.sleep(0.02)
    raise AssertionError(f"processes of session {group} are still there after {timeout_s} s")


def test_resume_of_another_job_is_refused(ffctl, tmp_path):
    job, out = tmp_path / "small.json", tmp_path / "small.h5"
    changed = copy.deepcopy(SMALL)
    job.write_text(json.dumps(SMALL))
    process = subprocess.Popen([ffctl, "run", job, "-o", out, "--checkpoint-every", "0.05"], stderr=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, start_new_session=True)
    deadline = time.monotonic() + 20
    while not list(tmp_path.glob("small.h5.ckpt/*CURRENT*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    changed["seed"] = 4
    job.write_text(json.dumps(changed))
    done = subprocess.run([ffctl, "run", job, "-o", out, "--resume"], capture_output=True, text=True)
    assert done.returncode == 8, (done.returncode, done.stderr)
    assert "job" in done.stderr and (tmp_path / "small.h5.ckpt").exists()


def summary(path, names):
    with h5py.File(path) as f:
        table = dict(zip(f["diagnostics/parameter"].asstr()[()], f["diagnostics/ess_bulk"][()]))
        return {n: (f["posterior"][n][()].mean(), f["posterior"][n][()].std(ddof=1), table[n]) for n in names}


@pytest.mark.slow
def test_whitened_rotation_agrees_with_plain_nuts(run_job, tmp_path):
    """64 x 64, two bins, two parameters: marginals from whitened coordinates with the rotation and from plain leapfrog
    NUTS in white coordinates agree within Monte-Carlo error, and so do the maps."""
    job = copy.deepcopy(SMALL)
    job["model"]["field"] = {"size_deg": 10, "npix": 64}
    job["model"]["parameters"] = {"omega_c": {"normal": [0.27, 0.06], "low": 0.05}, "sigma8": {"uniform": [0.4, 1.3]}}
    job["sampler"] = {"algorithm": "hmc", "chains": 2, "warmup": 60, "draws": 250}
    fast, status, text = run_job(job, tmp_path, name="fast")
    assert status == 0, text
    job["sampler"] = {"algorithm": "nuts", "integrator": "leapfrog", "whiten": "none", "chains": 2, "warmup": 80,
                      "draws": 150}
    slow, status, text = run_job(job, tmp_path, name="slow", timeout_s=600)
    assert status == 0, text
    names = ["omega_c", "sigma8", "S8"]
    one, two = summary(fast, names), summary(slow, names)
    for n in names:
        (m1, s1, e1), (m2, s2, e2) = one[n], two[n]
        error = np.sqrt(s1**2 / e1 + s2**2 / e2)
        assert abs(m1 - m2) < 4 * error, f"{n}: mean {m1:.4f} and {m2:.4f}, error {error:.4f}"
        spread = np.sqrt(0.5 / e1 + 0.5 / e2)
        assert abs(np.log(s1 / s2)) < 5 * spread, f"{n}: sd {s1:.4f} and {s2:.4f}, relative error {spread:.3f}"
    with h5py.File(fast) as f, h5py.File(slow) as g:
        a, b, sd = f["maps/convergence_mean"][()], g["maps/convergence_mean"][()], f["maps/convergence_sd"][()]
        scatter = np.sqrt(np.mean(((a - b) / sd) ** 2))
        assert scatter < 0.25, f"mean maps differ by {scatter:.3f} posterior sds rms; expected < 0.25"
