"""The service as two users meet it: a server with two local gangs, every kind of job through it with the bits that
`ffworker --job` gives, streams, samples, maps and results while and after a job runs, a gang killed in the middle,
draws that are too many for one file."""
import datetime
import io
import json
import os
import pathlib
import re
import shutil
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
from jobs import Reference, contents, noop, posterior  # noqa: E402  pylint: disable=wrong-import-position

pytestmark = pytest.mark.slow
BUILD = folder("FF_BIN", "build/bin").parent
POSTERIOR = posterior(draws=40, warmup=25, chains=2, npix=8)
LONG = posterior(draws=70, warmup=25, chains=2, npix=8)
MANY = {**DRAWS, "count": 37, "scores": True}


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


def test_chains_that_follow_each_other_at_one_gang_have_the_bits_of_others(house, reference):
    """More chains than gangs: a later one starts from what the one before it left in its process."""
    spec = posterior(draws=30, warmup=20, chains=5, npix=8)
    job = house.submit(spec)
    house.succeed(job, 60)
    reference.check(house, job, spec)


def test_a_running_task_says_when_its_lease_runs_out(house):
    job = house.submit(noop(1, 1.5))
    until(lambda: house.job(job)["tasks"][0]["state"] == "running", 5, "the task runs")
    seen = set()
    for _ in range(3):
        (task,) = house.job(job)["tasks"]
        left = datetime.datetime.fromisoformat(task["lease_expires"]) - datetime.datetime.now(datetime.timezone.utc)
        assert 0 < left.total_seconds() <= 1.1, task  # renewed by each heartbeat
        seen.add(task["lease_expires"])
        time.sleep(0.3)
    assert len(seen) == 3
    assert house.succeed(job)["tasks"][0]["lease_expires"] is None


def durations(house):
    """{kind: (jobs, seconds)} of /metrics."""
    text = house.api.get("/metrics").body.decode()
    found = {(what, kind): value for what, kind, value in re.findall(
        r'^fullfield_job_duration_seconds_(count|sum)\{kind="(\w+)"\} (\S+)$', text, re.M)}
    return {kind: (int(found["count", kind]), float(found["sum", kind])) for _, kind in found}


def test_durations_of_jobs_are_summed_by_kind(house):
    before = durations(house).get("noop", (0, 0.0))
    house.succeed(house.submit(noop(1, 0.5)))
    jobs, seconds = durations(house)["noop"]
    assert jobs == before[0] + 1 and 0.4 < seconds - before[1] < 3


def test_chunks_go_when_the_result_has_them_and_checkpoints_stay(house, done):
    job = house.submit(DRAWS)
    house.succeed(job)
    work = house.data / "store" / "work"
    until(lambda: not (work / job).exists(), 5, "the chunks are dropped")
    assert list((work / done).glob("chain-0.1/*"))


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


# ---- draws that are too many for one file ----


@pytest.fixture(scope="module")
def many(ffctl, ffworker):
    """A house that puts few bytes into one file."""
    assert ffctl and ffworker
    with House(BUILD, "many", options=["--workers", 2, "--worker-threads", 1]) as found:
        found.start(environment={"FF_TEST_KINDS": "1", "FF_ASSEMBLE_BYTES": "20000"})
        found.wait_for_gangs(2)
        found.job_of_many = found.submit(MANY)
        found.succeed(found.job_of_many, 60)
        yield found
        invariants.check(found.data, corrupt_allowed=True)
        assert found.stop_server() == 0


def download(house, ffctl, where, *options):
    host, port = house.address()
    ran = subprocess.run([ffctl, "download", house.job_of_many, "-o", where / "out.h5", "--server",
                          f"http://{host}:{port}", "--token-file", house.data / "admin.token", *options],
                         stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
    assert ran.returncode == 0, ran
    return where / "out.h5"


def test_many_draws_come_in_files_that_one_file_shows(many, reference, ffctl, tmp_path):
    found = many.job(many.job_of_many)
    with h5py.File(many.download(many.job_of_many)) as result:
        assert "x" not in result["draws"] and result["chunks/count"][()].tolist() == [10, 10, 10, 7]
        assert result["chunks/size"][()].sum() == found["result"]["chunk_bytes"]
    where = download(many, ffctl, tmp_path)
    away = tmp_path / "elsewhere"  # the two can be moved
    away.mkdir()
    for name in ("out.h5", "out.h5.d"):
        (tmp_path / name).rename(away / name)
    where = away / "out.h5"
    assert sorted(os.listdir(away / "out.h5.d")) == [f"draws-{i}.h5" for i in range(4)]
    expected = reference.of(MANY)
    shown = {name: value for name, value in contents(where).items() if not name.startswith("chunks/")}
    assert shown == expected and len(shown) == 9
    with h5py.File(where) as result:
        assert result["draws/x"].is_virtual and dict(result["draws/x"].attrs)["observable"] == "convergence"
        dims = [dim[0].name for dim in result["draws/x"].dims]
        assert dims == ["/draws/draw", "/draws/bin", "/draws/pixel_y", "/draws/pixel_x"]
        assert json.loads(result.attrs["spec"])["count"] == 37 and result.attrs["model_evaluations"] == 37
    words = subprocess.run([ffctl, "describe", where, "--json"], capture_output=True, check=True).stdout
    assert (json.loads(words)["count"], json.loads(words)["invalid"]) == (37, 0)


def test_a_download_goes_on_with_the_chunks_it_has(many, reference, ffctl, tmp_path):
    where = download(many, ffctl, tmp_path)
    files = [tmp_path / "out.h5.d" / f"draws-{i}.h5" for i in range(4)]
    with h5py.File(files[1], "r+") as chunk:
        chunk["draws/theta"][3, 1] += 1e-15
    files[2].unlink()
    data = files[3].read_bytes()
    files[3].write_bytes(data[:-100])
    kept = files[0].stat()
    where.unlink()
    download(many, ffctl, tmp_path, "--resume")
    assert (files[0].stat().st_ino, files[0].stat().st_mtime_ns) == (kept.st_ino, kept.st_mtime_ns)
    shown = contents(where)
    assert all(shown[name] == value for name, value in reference.of(MANY).items())


def test_many_draws_are_served_as_those_of_one_file(many, reference):
    expected = reference.of(MANY)
    theta, x, valid, score = arrays(many.api.get(f"/v1/jobs/{many.job_of_many}/draws?start=7&count=20").body)
    assert theta.tobytes() == np.frombuffer(expected["draws/theta"][2]).reshape(37, 2)[7:27].tobytes()
    assert x.tobytes() == np.frombuffer(expected["draws/x"][2], np.float32).reshape(37, -1)[7:27].tobytes()
    assert valid.tolist() == [1] * 20
    whole = np.frombuffer(expected["draws/score"][2]).reshape(37, 2)
    assert np.array_equal(score, whole[7:27].astype(np.float32))
    reply = many.api.get(f"/v1/jobs/{many.job_of_many}/chunks/draws-3/score")
    assert np.array_equal(np.load(io.BytesIO(reply.body)), whole[30:])
    part = many.api.get(f"/v1/jobs/{many.job_of_many}/chunks/draws-3/score", headers={"Range": "bytes=8-15"})
    assert part.status == 206 and part.body == reply.body[8:16]
    assert many.api.get(f"/v1/jobs/{many.job_of_many}/chunks/draws-4/x").status == 404


def test_many_draws_are_the_users_bytes_and_outlast_a_restart(many):
    result = many.job(many.job_of_many)["result"]
    usage = many.api.get("/v1/usage").json()["users"]
    assert sum(user["result_bytes"] for user in usage) == result["size"] + result["chunk_bytes"]
    assert many.stop_server() == 0
    work = many.data / "store/work" / many.job_of_many
    left = work / "draws-0.1" / "draws-0.store"  # as by a server that was killed when it had committed the result
    left.write_bytes(b"records")
    many.start(environment={"FF_TEST_KINDS": "1"})
    until(lambda: not left.exists(), 5, "what the last process left is dropped")
    files = sorted(path.name for path in work.glob("draws-*/*"))
    assert files == sorted(["score.npy", "theta.npy", "valid.npy", "x.npy"] * 4)
    assert many.api.get(f"/v1/jobs/{many.job_of_many}/draws?start=36&count=1").status == 200


def test_a_damaged_chunk_is_not_served(many, tmp_path):
    path = many.work(many.job_of_many, "draws-1", 1) / "x.npy"
    shutil.copy(path, tmp_path / "x.npy")
    data = bytearray(path.read_bytes())
    data[500] ^= 1
    path.write_bytes(data)
    for what in ("chunks/draws-1/x", "draws?start=12&count=1"):
        reply = many.api.get(f"/v1/jobs/{many.job_of_many}/{what}")
        assert reply.status == 500 and reply.problem() == "result-corrupt", reply
    assert many.job(many.job_of_many)["result"]["corrupt"] is True
    assert many.api.get(f"/v1/jobs/{many.job_of_many}/draws?start=0&count=10").status == 200
    shutil.copy(tmp_path / "x.npy", path)
    assert many.api.get(f"/v1/jobs/{many.job_of_many}/chunks/draws-1/x").status == 200


def test_many_draws_go_with_their_job(many):
    assert many.stop_server() == 0
    many.start("--keep-jobs-days", 1e-6, environment={"FF_TEST_KINDS": "1"})
    until(lambda: many.api.get(f"/v1/jobs/{many.job_of_many}").status == 404, 20, "the job expires")
    until(lambda: not (many.data / "store/work" / many.job_of_many).exists(), 5, "its files go")
    assert sum(user["result_bytes"] for user in many.api.get("/v1/usage").json()["users"]) == 0


def test_a_gang_without_the_store_leaves_its_files_there(ffworker, reference):
    """Its arrays are sent, and the manifest's gang gets them to look at."""
    assert ffworker
    with House(BUILD, "apart") as house:
        house.start()
        house.gang(shared=False, environment={"FF_ASSEMBLE_BYTES": "20000"})
        job = house.submit(MANY)
        assert house.succeed(job, 60)["result"]["chunk_bytes"] > 0
        _, x, _, _ = arrays(house.api.get(f"/v1/jobs/{job}/draws?start=5&count=30").body)
        expected = np.frombuffer(reference.of(MANY)["draws/x"][2], np.float32).reshape(37, -1)
        assert x.tobytes() == expected[5:35].tobytes()
        invariants.check(house.data)


def test_a_run_without_a_server_writes_one_file_whatever_its_size(reference, ffctl, tmp_path):
    (tmp_path / "job.json").write_text(json.dumps(MANY))
    subprocess.run([ffctl, "run", "job.json", "-o", "out.h5"], cwd=tmp_path, stdin=subprocess.DEVNULL,
                   env={**os.environ, "FF_ASSEMBLE_BYTES": "1"}, capture_output=True, timeout=60, check=True)
    assert contents(tmp_path / "out.h5") == reference.of(MANY)
    assert not (tmp_path / "out.h5.d").exists()


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
