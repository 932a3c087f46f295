"""The service as two users meet it: a server with two local gangs, every kind of job through it with the bits that
`ffworker --job` gives, streams, samples, maps and results while and after a job runs, a gang killed in the middle."""
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np
import pytest

from conftest import folder

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
import invariants  # noqa: E402  pylint: disable=wrong-import-position
from house import House, Stream, descendants, until  # noqa: E402  pylint: disable=wrong-import-position
from jobs import DRAWS, SIMULATE, SPECTRUM  # noqa: E402  pylint: disable=wrong-import-position
from jobs import Reference, noop, posterior  # noqa: E402  pylint: disable=wrong-import-position

pytestmark = pytest.mark.slow
BUILD = folder("FF_BIN", "build/bin").parent
POSTERIOR = posterior(draws=40, warmup=25, chains=2, npix=8)
LONG = posterior(draws=70, warmup=25, chains=2, npix=8)


@pytest.fixture(scope="module")
def house(ffctl, ffworker):
    assert ffctl and ffworker  # skips where nothing is built
    with House(BUILD, options=["--workers", 2, "--worker-threads", 1]) as found:
        found.start(environment={"FF_TEST_KINDS": "1"})
        try:
            found.wait_for_gangs(2)
            yield found
            invariants.check(found.data)
        finally:
            status = found.stop_server()
        assert status == 0, found.server.words()
        invariants.check(found.data)
        invariants.check_secrets(found)
        assert "gang 0" in found.server.words()


@pytest.fixture(scope="module")
def reference():
    with tempfile.TemporaryDirectory() as where:
        yield Reference(BUILD, where)


@pytest.fixture(scope="module")
def done(house):
    """A posterior that has succeeded."""
    job = house.submit(POSTERIOR)
    house.succeed(job, 60)
    return job


def lines(reply):
    assert reply.status == 200, reply
    return [json.loads(line) for line in reply.body.splitlines()]


def arrays(data):
    """Consecutive .npy files."""
    file, found = io.BytesIO(data), []
    while file.tell() < len(data):
        found.append(np.load(file))
    return found


@pytest.mark.parametrize("spec", [DRAWS, SIMULATE, SPECTRUM, POSTERIOR], ids=lambda spec: spec["kind"])
def test_every_kind_has_the_bits_of_a_run_without_a_server(house, reference, spec):
    job = house.submit(spec)
    house.succeed(job, 60)
    reference.check(house, job, spec)
    with h5py.File(house.folder / f"{job}.h5") as result:
        assert json.loads(result.attrs["spec"])["kind"] == spec["kind"]


def test_a_job_of_many_tasks_is_shared_by_the_gangs(house):
    job = house.submit(noop(12, 0.05))
    found = house.succeed(job)
    assert found["task_counts"] == {"total": 12, "done": 12}
    assert len({task["worker"] for task in found["tasks"]}) == 2


def test_an_idle_server_gives_a_task_out_at_once(house):
    begun = time.monotonic()
    house.succeed(house.submit(noop()))
    assert time.monotonic() - begun < 1, "a gang is told by a commit, not by a clock"


def test_events_come_while_the_job_runs_and_a_reader_goes_on_where_it_was(house):
    job = house.submit(POSTERIOR)
    stream, seen = Stream(house.api, job), []
    for event in stream:
        seen.append(event)
        if len(seen) == 20:
            break
    stream.close()
    assert house.job(job)["state"] == "running", "the first events came only when everything was over"
    seen += list(Stream(house.api, job, after=seen[-1]["seq"]))
    assert [event["seq"] for event in seen] == list(range(1, len(seen) + 1))
    assert (seen[0]["state"], seen[-1]["type"], seen[-1]["state"]) == ("queued", "end", "succeeded")
    samples = [event for event in seen if event["type"] == "sample"]
    assert [sample["number"] for sample in samples] == list(range(1, 131))
    assert {(sample["chain"], sample["draw"], sample["warmup"]) for sample in samples} == {
        (chain, draw, warm) for chain in (0, 1) for warm, n in ((True, 25), (False, 40)) for draw in range(n)}
    assert Stream(house.api, job, after=len(seen)).status == 204


def test_samples_from_any_number_as_lines_and_as_an_array(house, done):
    every = lines(house.api.get(f"/v1/jobs/{done}/samples?limit=1000"))
    late = lines(house.api.get(f"/v1/jobs/{done}/samples?from=100&limit=1000"))
    assert [sample["number"] for sample in every] == list(range(1, 131)) and late == every[99:]
    reply = house.api.get(f"/v1/jobs/{done}/samples?from=100&format=npy&limit=1000")
    table = np.load(io.BytesIO(reply.body))
    assert table.dtype == np.float64 and table.shape == (31, 4)
    assert np.array_equal(table[:, 2:], [list(sample["parameters"].values()) for sample in late])
    with h5py.File(house.download(done)) as result:
        chain = [sample["parameters"]["sigma8"] for sample in every if sample["chain"] == 1 and not sample["warmup"]]
        assert np.array_equal(result["posterior/sigma8"][1], chain)


def test_draws_come_as_arrays_chunk_by_chunk(house, reference):
    job = house.submit({**DRAWS, "count": 40})
    house.succeed(job)
    theta, x, valid = arrays(house.api.get(f"/v1/jobs/{job}/draws?start=7&count=20").body)
    expected = reference.of({**DRAWS, "count": 40})
    assert theta.shape == (20, 2) and x.shape == (20, 1, 16, 16) and valid.tolist() == [1] * 20
    assert theta.tobytes() == np.frombuffer(expected["draws/theta"][2]).reshape(-1, 2)[7:27].tobytes()
    assert x.tobytes() == np.frombuffer(expected["draws/x"][2], np.float32).reshape(40, 1, 16, 16)[7:27].tobytes()


def test_maps_of_a_running_and_of_a_finished_job(house, done):
    running = house.submit(posterior(draws=400, warmup=20, chains=1, npix=8))
    path = f"/v1/jobs/{running}/maps/convergence_mean?format=npy"
    early = until(lambda: (reply := house.api.get(path)).status == 200 and reply, 20, "a map of a running job")
    assert house.job(running)["state"] == "running"
    assert np.load(io.BytesIO(early.body)).shape == (1, 8, 8)
    assert house.api.delete(f"/v1/jobs/{running}").status == 202
    assert house.wait(running)["state"] == "cancelled"
    for kind, magic in (("npy", b"\x93NUMPY"), ("fits", b"SIMPLE"), ("png", b"\x89PNG")):
        reply = house.api.get(f"/v1/jobs/{done}/maps/convergence_mean?bin=0&format={kind}")
        assert reply.status == 200 and reply.body.startswith(magic), (kind, reply)
    with h5py.File(house.download(done)) as result:
        whole = np.load(io.BytesIO(house.api.get(f"/v1/jobs/{done}/maps/convergence_mean?format=npy").body))
        assert whole.tobytes() == result["maps/convergence_mean"][()].tobytes()


def test_a_result_comes_in_ranges_and_is_not_sent_twice(house, done):
    path = f"/v1/jobs/{done}/result"
    whole = house.api.get(path)
    tag = whole.headers["etag"]
    assert house.job(done)["result"]["sha256"] in tag
    size = len(whole.body)
    parts = [house.api.get(path, headers={"Range": f"bytes={start}-{start + 9999}", "If-Range": tag})
             for start in range(0, size, 10000)]
    assert {part.status for part in parts} == {206}
    assert b"".join(part.body for part in parts) == whole.body
    assert house.api.get(path, headers={"If-None-Match": tag}).status == 304
    assert house.api.get(path, headers={"Range": f"bytes={size}-"}).status == 416


def gang_of(house, name):
    """Process of a local gang."""
    for pid in descendants(house.server.pid):
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if name.encode() in words:
            return pid
    raise AssertionError(f"no process of {name}")


def test_a_gang_killed_in_the_middle_changes_no_bit(house, reference):
    job = house.submit(LONG)
    house.wait_for_progress(job, least=20)
    until(lambda: all(task["worker"] for task in house.job(job)["tasks"] if task["name"] != "reduce"), 10,
          "both are at work")
    os.kill(gang_of(house, "local-1"), signal.SIGKILL)
    house.succeed(job, 60)
    reference.check(house, job, LONG)
    attempts = house.attempts(job)
    assert sorted(attempts.values()) == [1, 1, 2], attempts
    again = next(name for name, attempt in attempts.items() if attempt == 2)
    assert ("queued", "worker_lost", 1) in house.states(job, again)
    house.wait_for_gangs(2)  # the server starts another one


def test_an_extended_posterior_has_the_bits_of_a_longer_one(house, reference, done):
    reply = house.api.post(f"/v1/jobs/{done}/extend", {"draws": 15})
    assert reply.status == 202, reply
    job = reply.json()["id"]
    found = house.succeed(job, 60)
    assert found["extend_of"] == done
    longer = {**POSTERIOR, "sampler": {**POSTERIOR["sampler"], "draws": 55}}
    reference.check(house, job, longer)
    samples = lines(house.api.get(f"/v1/jobs/{job}/samples?limit=1000"))
    assert len(samples) < 130, "the chains began again"


def test_the_gangs_checkpoint_when_the_server_stops_and_go_on_when_it_is_back(house, reference):
    job = house.submit(LONG)
    house.wait_for_progress(job, least=20)
    assert house.stop_server() == 0
    house.start(environment={"FF_TEST_KINDS": "1"})
    house.succeed(job, 60)
    reference.check(house, job, LONG)
    assert any(reason in ("shutdown", "drain") for _, reason, _ in house.states(job, "chain-0"))


# ---- the second user ----


@pytest.fixture(scope="module")
def ada(house, ffctl, tmp_path_factory):
    """Runs ffctl as another user."""
    where = tmp_path_factory.mktemp("ada")
    user = house.api.post("/v1/users", {"name": "ada"})
    assert user.status == 201, user
    token = house.api.post("/v1/tokens", {"user": user.json()["id"], "label": "test"})
    assert token.status == 201, token
    (where / "token").write_text(token.json()["token"] + "\n")
    (where / "token").chmod(0o600)
    env = {**{key: value for key, value in os.environ.items() if not key.startswith("FFCTL_")}, "HOME": str(where),
           "XDG_CONFIG_HOME": str(where / "config")}

    def run(*words, code=0):
        ran = subprocess.run([ffctl, *map(str, words)], cwd=where, env=env, stdin=subprocess.DEVNULL,
                             capture_output=True, text=True, timeout=60, check=False)
        assert ran.returncode == code, (words, ran.returncode, ran.stdout, ran.stderr)
        return ran.stdout

    host, port = house.address()
    run("login", "--server", f"http://{host}:{port}", "--token-file", where / "token")
    run.where, run.token = where, token.json()["token"]
    return run


def test_a_second_user_submits_follows_and_downloads(house, reference, ada):
    (ada.where / "job.json").write_text(json.dumps(POSTERIOR))
    plan = ada("submit", "job.json", "--dry-run")
    assert "chain" in plan
    job = ada("submit", "job.json", "--wait").strip().splitlines()[0]
    assert json.loads(ada("get", job, "--json"))["user"] == "ada"
    assert job in ada("ls") and "succeeded" in ada("describe", job)
    ada("download", job, "-o", "out.h5")
    data = (ada.where / "out.h5").read_bytes()
    assert data == house.download(job).read_bytes()  # the administrator may, too
    reference.check(house, job, POSTERIOR)
    assert "rhat" in ada("describe", "out.h5").lower().replace("-", "")


def test_a_foreign_job_is_not_there(house, ada, done):
    foreign, missing = done, "job_" + "0" * 26
    client = house.client(ada.token)
    for path in ("", "/logs", "/events", "/samples", "/result", "/draws?start=0&count=1", "/maps/convergence_mean"):
        replies = [client.get(f"/v1/jobs/{job}{path}") for job in (foreign, missing)]
        assert [reply.status for reply in replies] == [404, 404], (path, replies)
        texts = [{key: value for key, value in reply.json().items() if key not in ("request_id", "instance", "pointer")}
                 for reply in replies]
        assert texts[0] == texts[1], path
    for method, path in (("DELETE", ""), ("POST", "/retry")):
        assert client.call(method, f"/v1/jobs/{foreign}{path}").status == 404
    assert foreign not in ada("ls", "--json")
    for command in (("get",), ("logs",), ("cancel",), ("retry",), ("download", "-o", "x.h5")):
        ada(command[0], foreign, *command[1:], code=5)
    assert house.job(done)["state"] == "succeeded"


def test_an_ordinary_user_administers_nothing(ada):
    ada("users", code=4)
    ada("users", "add", "eve", code=4)
    ada("workers", "drain", "wk_" + "0" * 26, code=4)
