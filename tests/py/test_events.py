"""The events of a job as ffworker writes them, against the contract: numbering, tasks, states, samples, progress."""
import json
import re
import signal
import subprocess

import pytest

MODEL = {
    "simulator": "lognormal",
    "field": {"size_deg": 5, "npix": 16},
    "sources": {"gaussian": [{"z": 0.8, "sd": 0.15, "n_per_arcmin2": 15}]},
    "sigma_e": 0.26,
    "parameters": {"omega_c": {"normal": [0.27, 0.06], "low": 0.05}, "sigma8": {"uniform": [0.4, 1.3]}},
}
CHAINS, WARMUP = 2, 30
POSTERIOR = {"kind": "posterior", "seed": 5, "model": MODEL, "data": {"mock": {"seed": 7}}}
FIXED = {**POSTERIOR, "sampler": {"chains": CHAINS, "warmup": WARMUP, "draws": 40}}
UNTIL = {**POSTERIOR, "sampler": {"chains": CHAINS, "warmup": WARMUP,
                                  "until": {"ess": 60, "rhat": 1.1, "max_draws": 2000}}}
LONG = {**POSTERIOR, "sampler": {"chains": CHAINS, "warmup": WARMUP, "draws": 200}}
SIMULATE = {"kind": "simulate", "seed": 11, "count": 3, "model": MODEL}
SPECTRUM = {"kind": "spectrum", "ell": [100, 300], "model": MODEL}
MEMBERS = {
    "state": {"state", "reason", "message"},
    "map": {"name", "bin", "shape", "href"},
    "log": {"level", "message"},
    "end": {"state", "message"},
    "progress": {"done", "total", "rate", "eta_s", "stage"},
    "sample": {"number", "chain", "draw", "warmup", "lp", "parameters", "stats"},
}
MIXING = {"ess", "rhat", "divergences"}
STATS = {"acceptance_rate": float, "step_size": float, "n_steps": int, "tree_depth": int, "diverging": bool}


def command(ffworker, job, where):
    spec = where / "job.json"
    spec.write_text(json.dumps(job))
    return [ffworker, "--job", spec, "-o", where / "job.h5", "--checkpoint-every", "0.05"]


@pytest.fixture(scope="module")
def events_of(ffworker, tmp_path_factory):
    """The events of a job that succeeds, each kind of job run once."""
    known = {}

    def run(job, threads=2):
        key = json.dumps([job, threads])
        if key not in known:
            done = subprocess.run(command(ffworker, job, tmp_path_factory.mktemp("events")) +
                                  ["--threads", str(threads)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                                  timeout=240, check=False)
            assert done.returncode == 0, done.stderr
            known[key] = [json.loads(line) for line in done.stdout.splitlines()]
        return known[key]

    return run


def of_type(events, kind, task=...):
    return [e for e in events if e["type"] == kind and task in (..., e["task"])]


def states(events, task):
    return [e["state"] for e in of_type(events, "state", task)]


def finite(x):
    return isinstance(x, (int, float)) and not isinstance(x, bool) and abs(x) < float("inf")


def check_progress(events):
    for e in events:
        assert 0 <= e["done"] <= e["total"], e
        assert e["eta_s"] is None or e["eta_s"] >= 0, e
        assert e["rate"] is None or e["rate"] > 0, e
        assert e["stage"], e
    done = [e["done"] for e in events]
    assert done == sorted(done)
    assert events[-1]["done"] == events[-1]["total"] and events[-1]["eta_s"] == 0


JOBS = {
    "fixed": (FIXED, ["chain-0", "chain-1", "reduce"]),
    "until": (UNTIL, ["chain-0", "chain-1", "reduce"]),
    "simulate": (SIMULATE, ["simulate"]),
    "spectrum": (SPECTRUM, ["spectrum"]),
}


@pytest.mark.parametrize("name", JOBS)
def test_every_event_is_the_contract(events_of, name):
    job, tasks = JOBS[name]
    events = events_of(job)
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", e["time"]) for e in events)
    assert [e["time"] for e in events] == sorted(e["time"] for e in events)
    for e in events:
        assert e["attempt"] == 1 and e["task"] in [None, *tasks], e
        more = MIXING if e["type"] == "progress" and job["kind"] == "posterior" else set()
        assert set(e) >= {"seq", "time", "task", "attempt", "type"} | MEMBERS[e["type"]] | more, e
    assert states(events, None) == ["running"] and events[0]["type"] == "state"
    for task in tasks:
        assert states(events, task) == ["running", "succeeded"], task
    assert [e for e in events if e["type"] == "end"] == [events[-1]] and events[-1]["state"] == "succeeded"
    check_progress(of_type(events, "progress"))


def check_samples(samples, chain, free):
    """Those of one chain: warm-up, then draws, both from 0."""
    draws = len(samples) - WARMUP
    assert [e["warmup"] for e in samples] == [True] * WARMUP + [False] * draws
    assert [e["draw"] for e in samples] == [*range(WARMUP), *range(draws)]
    for e in samples:
        assert e["chain"] == chain and finite(e["lp"])
        assert set(e["parameters"]) == free and all(finite(x) for x in e["parameters"].values())
        assert {name: type(value) for name, value in e["stats"].items()} == STATS
    return draws


@pytest.mark.parametrize("name", ["fixed", "until"])
@pytest.mark.parametrize("threads", [1, 2])
def test_samples_and_states_of_a_posterior(events_of, name, threads):
    events = events_of(JOBS[name][0], threads)
    samples = of_type(events, "sample")
    assert [e["number"] for e in samples] == list(range(1, len(samples) + 1))
    draws = {check_samples(of_type(events, "sample", f"chain-{c}"), c, set(MODEL["parameters"]))
             for c in range(CHAINS)}
    assert draws == {40} if name == "fixed" else len(draws) == 1
    assert len(samples) == CHAINS * (WARMUP + draws.pop())

    def seqs(kind, task):
        return [e["seq"] for e in of_type(events, kind, task)]

    for c in range(CHAINS):
        running, succeeded = seqs("state", f"chain-{c}")
        drawn = seqs("sample", f"chain-{c}")
        assert running < drawn[0] and drawn[-1] < succeeded < seqs("state", "reduce")[0]


def test_maps_of_a_posterior_are_told_as_they_come(events_of):
    """A checkpoint with draws in it comes with a look at the maps so far."""
    for task in ("chain-0", "chain-1"):
        events = of_type(events_of(FIXED), "map", task)
        assert events, task
        for e in events:
            assert (e["name"], e["bin"], e["shape"], e["href"]) == ("convergence_mean", None, [1, 16, 16], "")
        draws = [e for e in of_type(events_of(FIXED), "sample", task) if not e["warmup"]]
        assert draws[0]["seq"] < events[0]["seq"]


def test_progress_of_a_posterior_is_the_whole_job(events_of):
    events = events_of(UNTIL)
    progress = of_type(events, "progress")
    assert {e["task"] for e in progress} == {None}
    last = progress[-1]
    assert last["done"] == len(of_type(events, "sample")) and last["stage"] == "sampling"
    assert last["ess"] >= 60 and last["rhat"] < 1.1 and last["divergences"] >= 0
    most = CHAINS * (WARMUP + UNTIL["sampler"]["until"]["max_draws"])
    assert all(e["total"] < most / 4 for e in progress), "the longest run is no estimate"


def test_a_task_that_fails_says_so(ffworker, tmp_path):
    """Dark energy of negative density: known only when the work has begun."""
    job = {**SPECTRUM, "model": {**MODEL, "parameters": {"omega_c": 5, "w0": 3}}}
    done = subprocess.run(command(ffworker, job, tmp_path), stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, check=False)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 3, done.stderr
    assert states(events, "spectrum") == ["running", "failed"]
    failed = of_type(events, "state", "spectrum")[-1]
    assert failed["message"] and failed["message"] in events[-1]["message"]
    assert events[-1]["type"] == "end" and events[-1]["state"] == "failed"


@pytest.mark.slow
def test_resumed_chains_run_again(ffworker, tmp_path):
    run = command(ffworker, LONG, tmp_path) + ["--threads", "2"]
    with subprocess.Popen(run, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as process:
        first = []
        for line in process.stdout:
            first.append(json.loads(line))
            if first[-1]["type"] == "sample" and first[-1]["number"] == 100:
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 143
    assert first[-1]["type"] == "end" and first[-1]["state"] == "cancelled"
    done = subprocess.run(run + ["--resume"], stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=240,
                          check=False)
    assert done.returncode == 0, done.stderr
    second = [json.loads(line) for line in done.stdout.splitlines()]
    for c in range(CHAINS):
        assert states(first, f"chain-{c}") == ["running", "cancelled"]
        assert states(second, f"chain-{c}") == ["running", "succeeded"]
        drawn = [[e["draw"] for e in of_type(part, "sample", f"chain-{c}") if not e["warmup"]]
                 for part in (first, second)]
        assert drawn[0] + drawn[1] == list(range(LONG["sampler"]["draws"]))
    assert states(first, "reduce") == [] and states(second, "reduce") == ["running", "succeeded"]
    check_progress(of_type(second, "progress"))
    assert of_type(second, "progress")[0]["done"] > len(of_type(first, "sample"))
