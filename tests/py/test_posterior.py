"""The posterior job from outside: bits that do not depend on threads, kills or resuming; the fast road checked by the
slow."""
import copy
import json
import math
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


KILLS = 10  # of each kind

UNTIL = copy.deepcopy(SMALL)  # some rounds of 25 draws
UNTIL["model"]["sources"] = {"gaussian": [{"z": 1.0, "sd": 0.2, "n_per_arcmin2": 30}]}
UNTIL["model"]["parameters"] = {"omega_c": {"normal": [0.27, 0.06], "low": 0.05}, "sigma8": {"uniform": [0.4, 1.3]}}
UNTIL["sampler"] = {"algorithm": "hmc", "integrator": "leapfrog", "chains": 2, "warmup": 30,
                    "until": {"ess": 80, "rhat": 1.05, "max_draws": 400}}


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


def kill_once(command, delay, both):
    """Starts the command, kill -9 after `delay` seconds of ffctl or of it and its worker; True if that ended it."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(delay)
    if process.poll() is None and both:
        os.killpg(process.pid, signal.SIGKILL)
    else:
        process.kill()
    process.wait()
    wait_for_group(process.pid)
    assert process.returncode in (0, -signal.SIGKILL)
    return process.returncode == -signal.SIGKILL


@pytest.mark.slow
@pytest.mark.parametrize("which", ["ffctl", "both"])
def test_killed_at_random_moments_resumes_to_the_same_bits(which, reference, ffctl, tmp_path):
    """kill -9 of ffctl alone (its worker then stops at a checkpoint by itself) and of both at once: ten that land
    before the result is there; a run that is done earlier is compared and begun again."""
    rng = random.Random(11 if which == "ffctl" else 12)
    job, out = tmp_path / "small.json", tmp_path / "small.h5"
    job.write_text(json.dumps(SMALL))
    command = [ffctl, "run", job, "-o", out, "--checkpoint-every", "0.1"]
    begun = time.monotonic()
    subprocess.run(command, check=True, capture_output=True)
    whole = time.monotonic() - begun
    landed, tries, resume = 0, 0, []
    while landed < KILLS and tries < 5 * KILLS:
        if out.exists():
            assert_same_bits(reference, out)
            out.unlink()
            resume = []
        tries += 1
        killed = kill_once(command + resume, rng.uniform(0, 3 * whole / KILLS), which == "both")
        landed += killed and not out.exists()
        resume = ["--resume"]
    assert landed == KILLS, f"{landed} of {tries} kills landed before the result was there; expected {KILLS}"
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
    while not list(tmp_path.glob("small.h5.ckpt/**/*CURRENT*")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    changed["seed"] = 4
    job.write_text(json.dumps(changed))
    done = subprocess.run([ffctl, "run", job, "-o", out, "--resume"], capture_output=True, text=True)
    assert done.returncode == 8, (done.returncode, done.stderr)
    assert "job" in done.stderr and (tmp_path / "small.h5.ckpt").exists()


# ---- until ----


def until(**members):
    job = copy.deepcopy(UNTIL)
    job["sampler"]["until"].update(members)
    return job


def mixing(path):
    """Draws of a chain, smallest bulk effective sample size and largest R-hat of the free parameters."""
    free = list(UNTIL["model"]["parameters"])
    with h5py.File(path) as f:
        d, draws = f["diagnostics"], f["posterior/sigma8"].shape[1]
        rows = [list(d["parameter"].asstr()[()]).index(n) for n in free]
        return draws, d["ess_bulk"][()][rows].min(), d["rhat"][()][rows].max()


@pytest.fixture(scope="module")
def mixed(run_job, tmp_path_factory):
    path, status, text = run_job(UNTIL, tmp_path_factory.mktemp("until"))
    assert status == 0, text
    return path


def next_look(held, ess):
    """The documented rule: as many draws as the effective sample size promises to take, in steps of 25."""
    promised = 25 * math.ceil(held * UNTIL["sampler"]["until"]["ess"] / ess / 25)
    return min(max(promised, held + 25), 2 * held)


def test_until_stops_at_the_first_look_that_is_enough(mixed, run_job, tmp_path):
    """From look to look, each taken by a run that may not go further: no look before the last was enough, and the last
    is where the job stopped. The draws of all are the same bits."""
    rule = UNTIL["sampler"]["until"]
    draws, ess, rhat = mixing(mixed)
    assert draws < rule["max_draws"], draws
    assert ess >= rule["ess"] and rhat < rule["rhat"], (ess, rhat)
    look, looks = 25 * math.ceil(rule["ess"] / UNTIL["sampler"]["chains"] / 25), 0
    while look < draws:
        path, status, text = run_job(until(max_draws=look), tmp_path, name=f"look{look}")
        assert status == 0, text
        held, ess, rhat = mixing(path)
        assert held == look and (ess < rule["ess"] or rhat >= rule["rhat"]), (look, ess, rhat)
        with h5py.File(path) as f, h5py.File(mixed) as g:
            assert bits(f["posterior/sigma8"][()]) == bits(g["posterior/sigma8"][:, :look])
        look, looks = next_look(look, ess), looks + 1
    assert look == draws and looks >= 1


def test_more_draws_go_on_from_a_stopped_run(run_job, ffworker, tmp_path):
    """How many draws there are to be may change between a run and its resumption; the bits are those of a run that
    wanted the larger number at once."""
    longer = copy.deepcopy(SMALL)
    longer["sampler"]["draws"] = 60
    whole, status, text = run_job(longer, tmp_path, name="whole")
    assert status == 0, text
    process, _ = start_worker(ffworker, tmp_path, SMALL, "--checkpoint-every", "0.05")
    after_draws(process, 8)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 143
    assert_same_bits(whole, finish(ffworker, tmp_path, longer))


def test_until_ends_at_max_draws(run_job, tmp_path):
    path, status, text = run_job(until(ess=1e6, max_draws=30), tmp_path)
    assert status == 0, text
    assert mixing(path)[0] == 30


def start_worker(ffworker, where, job, *options):
    spec, out = where / "job.json", where / "job.h5"
    spec.write_text(json.dumps(job))
    command = [ffworker, "--job", spec, "-o", out, "--threads", "2", *options]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True), out


def after_draws(process, draws):
    """Reads the worker's events until a chain has kept this many draws."""
    for line in process.stdout:
        event = json.loads(line)
        if event["type"] == "sample" and not event["warmup"] and event["draw"] + 1 >= draws:
            return
    raise AssertionError(f"the worker ended before {draws} draws: {process.stderr.read()}")


def finish(ffworker, where, job):
    process, out = start_worker(ffworker, where, job, "--resume")
    _, text = process.communicate(timeout=240)
    assert process.returncode == 0, text
    return out


def test_until_killed_in_each_round_resumes_to_the_same_bits(mixed, ffworker, tmp_path):
    for draws in (12, 49, 60):  # before the first look, at the end of it, after it
        process, _ = start_worker(ffworker, tmp_path, UNTIL, "--checkpoint-every", "0.05", "--resume")
        after_draws(process, draws)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
    assert_same_bits(mixed, finish(ffworker, tmp_path, UNTIL))


# ---- signals ----


def wait_for(condition, timeout_s=20):
    end = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < end, f"nothing after {timeout_s} s"
        time.sleep(0.005)


def test_sigusr1_checkpoints_and_sigterm_ends_to_the_same_bits(reference, ffworker, tmp_path):
    """Clocked checkpoints are off: what SIGUSR1 leaves is its own, and the worker goes on after it."""
    kept = tmp_path / "job.h5.ckpt"
    process, out = start_worker(ffworker, tmp_path, SMALL, "--checkpoint-every", "1e6")
    after_draws(process, 1)
    assert not list(kept.glob("chain-*CURRENT*"))
    process.send_signal(signal.SIGUSR1)
    wait_for(lambda: list(kept.glob("chain-*CURRENT*")))
    after_draws(process, 8)
    process.send_signal(signal.SIGTERM)
    events, text = process.communicate(timeout=60)
    assert process.returncode == 143 and "--resume" in text, text
    assert json.loads(events.splitlines()[-1])["state"] == "cancelled" and not out.exists()
    assert_same_bits(reference, finish(ffworker, tmp_path, SMALL))


# ---- the fast road by the slow ----


def summary(path, names):
    with h5py.File(path) as f:
        table = dict(zip(f["diagnostics/parameter"].asstr()[()], f["diagnostics/ess_bulk"][()]))
        return {n: (f["posterior"][n][()].mean(), f["posterior"][n][()].std(ddof=1), table[n]) for n in names}


def assert_agree(one, two, names, what):
    first, second = summary(one, names), summary(two, names)
    for n in names:
        (m1, s1, e1), (m2, s2, e2) = first[n], second[n]
        error = np.sqrt(s1**2 / e1 + s2**2 / e2)
        assert abs(m1 - m2) < 4 * error, f"{what}, {n}: mean {m1:.4f} and {m2:.4f}, error {error:.4f}"
        spread = np.sqrt(0.5 / e1 + 0.5 / e2)
        assert abs(np.log(s1 / s2)) < 5 * spread, (f"{what}, {n}: sd {s1:.4f} and {s2:.4f}, "
                                                   f"relative error {spread:.3f}")
    with h5py.File(one) as f, h5py.File(two) as g:
        a, b, sd = f["maps/convergence_mean"][()], g["maps/convergence_mean"][()], f["maps/convergence_sd"][()]
        scatter = np.sqrt(np.mean(((a - b) / sd) ** 2))
        assert scatter < 0.25, f"{what}: mean maps differ by {scatter:.3f} posterior sds rms; expected < 0.25"


ROADS = {
    "whitened HMC": {"algorithm": "hmc", "chains": 2, "warmup": 60, "draws": 250},
    "defaults": {"chains": 2, "warmup": 40, "draws": 60},
    "white leapfrog NUTS": {"algorithm": "nuts", "integrator": "leapfrog", "whiten": "none", "chains": 2, "warmup": 80,
                            "draws": 150},
}


@pytest.mark.slow
def test_fast_roads_agree_with_plain_nuts(run_job, tmp_path):
    """64 x 64, two bins, two parameters: marginals from whitened coordinates with the rotation, by HMC and by the
    default NUTS, and from plain leapfrog NUTS in white coordinates agree within Monte-Carlo error; so do the maps."""
    job = copy.deepcopy(SMALL)
    job["model"]["field"] = {"size_deg": 10, "npix": 64}
    job["model"]["parameters"] = UNTIL["model"]["parameters"]
    paths = {}
    for road, sampler in ROADS.items():
        path, status, text = run_job({**job, "sampler": sampler}, tmp_path, name=road.replace(" ", "-"), timeout_s=600)
        assert status == 0, text
        paths[road] = path
    slow = paths.pop("white leapfrog NUTS")
    for road, path in paths.items():
        assert_agree(path, slow, ["omega_c", "sigma8", "S8"], road)
