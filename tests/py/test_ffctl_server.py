"""ffctl against a server with scripted answers (fakehttp): what it asks, prints and returns, for every command and
every exit code that a server has a part in. test_ffctl_watch.py: watch, wait and logs."""
import hashlib
import json
import os
import re
import shutil
import stat
import subprocess

import h5py
import numpy as np
import pytest
from fakehttp import Answer, FakeServer, event, problem, ranges, stream

JOB = "job_0123456789abcdefghijklmnop"
OTHER = "job_ponmlkjihgfedcba9876543210"
NEW = "job_abcdefghijklmnopqrstuvwxyz"
WORKER = "wk_0123456789abcdefghijklmnop"
DATASET = "ds_0123456789abcdefghijklmnop"
TOKEN = "ff_0011223344556677"
JOB_PATH = f"/v1/jobs/{JOB}"


@pytest.fixture
def server():
    with FakeServer() as fake:
        yield fake


@pytest.fixture
def home(tmp_path):
    """An environment of its own: no context, no token but the one in token_file."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("FFCTL_")}
    env.update(XDG_CONFIG_HOME=str(tmp_path / "config"), HOME=str(tmp_path), TMPDIR=str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    token = tmp_path / "token"
    token.write_text(TOKEN + "\n")
    token.chmod(0o600)
    return env


@pytest.fixture
def call(ffctl, home, server, tmp_path):
    """Runs ffctl against the fake server with the token; never a terminal."""

    def run(*args, url=None, token=True, stdin=None, timeout_s=60, **more):
        env = {**home, "FFCTL_SERVER": url or server.url, **more}
        if token:
            env["FFCTL_TOKEN_FILE"] = str(tmp_path / "token")
        return subprocess.run([ffctl, *map(str, args)], cwd=tmp_path, env=env, input=stdin, text=True,
                              stdin=subprocess.DEVNULL if stdin is None else None, capture_output=True,
                              timeout=timeout_s, check=False)

    return run


def job(state="running", **members):
    return {"id": JOB, "kind": "posterior", "name": "tiny", "state": state, "reason": "", "message": "",
            "created": "2026-01-31T23:00:00.000Z", "started": None, "finished": None, "user": "ada", "priority": 0,
            "pool": "default", "progress": None, "attempts": 1, "tasks": {"total": 5, "done": 1}, "retry_of": None,
            "extend_of": None, "result": None, "error": None, "links": {"self": JOB_PATH}, **members}


def finished(content=b"", **members):
    result = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    return job("succeeded", result=result, **members)


def error_of(done):
    return json.loads(done.stderr.splitlines()[-1])


# ---- where the server is, and by which token ----

def test_every_request_carries_the_token_and_never_shows_it(call, server):
    server.on("GET", JOB_PATH, Answer(200, job()))
    done = call("get", JOB)
    assert done.returncode == 0, done.stderr
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert TOKEN not in done.stdout + done.stderr
    assert server.asked[0].headers["User-Agent"].startswith("ffctl/")


def test_a_unix_socket_needs_no_token(call, tmp_path):
    with FakeServer(tmp_path / "s") as fake:
        fake.on("GET", JOB_PATH, Answer(200, job()))
        assert call("get", JOB, url=fake.url, token=False).returncode == 0
        assert "Authorization" not in fake.asked[0].headers


def test_no_server_named_is_a_usage_error(ffctl, home):
    done = subprocess.run([ffctl, "ls"], env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "ffctl login" in done.stderr


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_token_that_others_can_read_is_refused(call, server, tmp_path, mode):
    (tmp_path / "token").chmod(mode)
    done = call("ls")
    assert done.returncode == 2 and "chmod 600" in done.stderr and TOKEN not in done.stderr
    assert not server.asked


def test_login_checks_then_remembers(ffctl, home, server, tmp_path):
    def run(*args):
        return subprocess.run([ffctl, *map(str, args)], env=home, cwd=tmp_path, capture_output=True, text=True,
                              check=False)

    server.on("GET", "/v1/version", Answer(200, {"version": "0.1.0", "build": "x"}))
    server.on("GET", "/v1/jobs", problem(401, "unauthenticated"), Answer(200, {"jobs": [], "next_cursor": None}))
    config = tmp_path / "config/ffctl/config"
    assert run("login", "--server", server.url, "--token-file", "token").returncode == 4
    assert not config.exists()
    done = run("login", "--server", server.url, "--token-file", "token", "--name", "here")
    assert done.returncode == 0, done.stderr
    assert stat.S_IMODE(config.stat().st_mode) == 0o600 and TOKEN not in config.read_text()
    assert json.loads(config.read_text()) == {
        "current": "here", "contexts": {"here": {"server": server.url, "token_file": str(tmp_path / "token")}}}
    assert run("ls").returncode == 0
    assert server.asked[-1].headers["Authorization"] == f"Bearer {TOKEN}"
    assert run("login", "--list").stdout == f"* here             {server.url}\n"
    assert run("login", "--use", "nowhere").returncode == 2
    assert run("login", "--use", "here").returncode == 0
    # another server gets nothing of this context
    with FakeServer() as other:
        other.on("GET", "/v1/jobs", Answer(200, {"jobs": [], "next_cursor": None}))
        assert run("ls", "--server", other.url).returncode == 0
        assert "Authorization" not in other.asked[0].headers
    assert run("login", "--forget", "here").returncode == 0
    assert run("ls").returncode == 2


def test_login_says_what_is_missing(ffctl, home, tmp_path):
    def run(*args):
        return subprocess.run([ffctl, *args], env=home, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert "--server" in run("login").stderr
    assert "--token-file" in run("login", "--server", "http://127.0.0.1:1").stderr
    assert run("login", "--server", "http://127.0.0.1:1", "--token-file", "none").returncode == 2
    assert run("login", "--server", "http://127.0.0.1:1", "--token-file", "token").returncode == 9
    assert run("login", "--list", "--use", "x").returncode == 2


# ---- exit codes ----

@pytest.mark.parametrize("answer, code", [
    (problem(400, "bad-job"), 2),
    (problem(401, "unauthenticated"), 4),
    (problem(403, "forbidden"), 4),
    (problem(404, "not-found"), 5),
    (problem(409, "conflict"), 8),
    (problem(413, "too-large"), 2),
    (problem(422, "idempotency-key-reused"), 8),
    (problem(426, "version"), 10),
    (problem(429, "quota"), 8),
    (problem(500, "database"), 1),
    (problem(503, "busy"), 8),
    (Answer(200, "<html>a proxy's page</html>"), 1),
    (Answer(301, "", {"Location": "https://elsewhere.example/"}), 1),
    (Answer(504, "<html>"), 1),
])
def test_answers_become_exit_codes(call, server, answer, code):
    server.on("GET", JOB_PATH, answer)
    done = call("get", JOB)
    assert done.returncode == code, done.stderr
    assert done.stdout == "" and done.stderr.startswith("ffctl: error:")
    shown = error_of(call("get", JOB, "--json"))
    assert shown["exit_code"] == code and shown["detail"]


def test_a_problem_shows_detail_pointer_and_request(call, server):
    server.on("POST", "/v1/jobs", problem(400, "bad-job", "seed is -1; allowed: 0 and up", pointer="/seed"))
    done = call("submit", "-", stdin='{"kind": "posterior", "seed": -1}')
    assert done.returncode == 2 and "seed is -1" in done.stderr and "where: /seed" in done.stderr
    assert "req_1" in done.stderr
    shown = error_of(call("submit", "-", "--json", stdin="{}"))
    assert shown["type"] == "bad-job" and shown["pointer"] == "/seed"


def test_an_unreachable_server_is_9(call, home, ffctl):
    with FakeServer() as fake:
        url = fake.url
    for command in ("get", "watch", "wait", "logs", "cancel", "download"):
        more = ("--patience", "0.3") if command == "wait" else ()
        done = call(command, JOB, *more, url=url)
        assert done.returncode == 9, (command, done.stderr)


@pytest.mark.parametrize("command", ["get", "watch", "wait", "logs", "cancel", "retry", "download", "describe"])
def test_what_is_no_id_is_a_usage_error(call, server, command):
    done = call(command, "job_../../secret")
    assert done.returncode == 2 and not server.asked


# ---- submit ----

def put_dataset(path, value=0.0):
    with h5py.File(path, "w") as file:
        file["convergence"] = np.full((1, 4, 4), value, "f4")
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_submit_prints_the_id_and_nothing_else(call, server, tmp_path):
    (tmp_path / "job.json").write_text('{"kind": "posterior"}')
    server.on("POST", "/v1/jobs", Answer(202, {"id": NEW, "state": "queued"}))
    done = call("submit", "job.json")
    assert done.returncode == 0 and done.stdout == NEW + "\n" and f"ffctl watch {NEW}" in done.stderr
    assert json.loads(call("submit", "job.json", "--json").stdout) == {"id": NEW, "state": "queued"}
    first, second = server.requests("POST", "/v1/jobs")
    assert first.json() == {"kind": "posterior"} and first.headers["Content-Type"] == "application/json"
    keys = {request.headers["Idempotency-Key"] for request in (first, second)}
    assert len(keys) == 2 and all(len(key) >= 32 for key in keys)
    call("submit", "job.json", "--idempotency-key", "mine")
    assert server.asked[-1].headers["Idempotency-Key"] == "mine"


def test_a_broken_submit_is_repeated_with_its_key(call, server, tmp_path):
    (tmp_path / "job.json").write_text("{}")
    server.on("POST", "/v1/jobs", Answer(202, {"id": NEW}, cut=3), Answer(503, "", {"Retry-After": "0"}),
              Answer(202, {"id": NEW}))
    done = call("submit", "job.json")
    assert done.returncode == 0 and done.stdout == NEW + "\n"
    keys = [request.headers["Idempotency-Key"] for request in server.asked]
    assert len(keys) == 3 and len(set(keys)) == 1


def test_files_are_sent_once_and_replaced_by_ids(call, server, tmp_path):
    folder = tmp_path / "jobs"
    folder.mkdir()
    hashes = {name: put_dataset(folder / name, value) for name, value in (("a.h5", 1), ("b.h5", 1), ("c.h5", 2))}
    assert hashes["a.h5"] == hashes["b.h5"] != hashes["c.h5"]
    spec = {"kind": "posterior", "name": "@not-a-file", "data": {"mock": {"mask": "@a.h5"}},
            "model": {"sources": {"tables": [{"nz": "@b.h5", "n_per_arcmin2": 5}, {"nz": f"@{folder}/c.h5"}]},
                      "lognormal": {"shift": {"table": "@a.h5"}}}}
    (folder / "job.json").write_text(json.dumps(spec))
    known = {"id": "ds_" + "c" * 26, "sha256": hashes["c.h5"]}
    server.on("GET", "/v1/datasets", lambda request: Answer(200, {"datasets": [known], "next_cursor": None}
                                                            if "cursor" in request.query else
                                                            {"datasets": [{"id": DATASET, "sha256": "0" * 64}],
                                                             "next_cursor": "p 2"}))
    server.on("POST", "/v1/datasets", Answer(201, {"id": DATASET}))
    server.on("POST", "/v1/jobs", Answer(202, {"id": NEW}))
    done = call("submit", "jobs/job.json")
    assert done.returncode == 0, done.stderr
    uploads = server.requests("POST", "/v1/datasets")
    assert len(uploads) == 1 and uploads[0].body == (folder / "a.h5").read_bytes()
    assert uploads[0].headers["Content-Type"] == "application/x-hdf5" and uploads[0].query["name"] == "a.h5"
    posted = server.requests("POST", "/v1/jobs")[0].json()
    assert posted["name"] == "@not-a-file"
    assert posted["data"]["mock"]["mask"] == posted["model"]["lognormal"]["shift"]["table"] == DATASET
    assert [table["nz"] for table in posted["model"]["sources"]["tables"]] == [DATASET, known["id"]]


def test_a_missing_file_stops_before_anything_is_sent(call, server, tmp_path):
    (tmp_path / "job.json").write_text('{"data": {"dataset": "@absent.h5"}}')
    done = call("submit", "job.json")
    assert done.returncode == 2 and "absent.h5" in done.stderr and "dataset" in done.stderr
    assert not server.asked
    for name, text in {"empty.json": "", "list.json": "[]", "twice.json": '{"a": 1, "a": 2}'}.items():
        (tmp_path / name).write_text(text)
        assert call("submit", name).returncode == 2, name
    assert call("submit", "absent.json").returncode == 2
    assert not server.asked


def test_a_dry_run_shows_the_plan_and_sends_nothing(call, server, tmp_path):
    put_dataset(tmp_path / "a.h5")
    (tmp_path / "job.json").write_text('{"data": {"dataset": "@a.h5"}}')
    server.on("GET", "/v1/datasets", Answer(200, {"datasets": [], "next_cursor": None}))
    plan = {"kind": "posterior", "ntasks": 3, "tasks": [{"name": "chain-0"}, {"name": "chain-1"}, {"name": "reduce"}],
            "memory_bytes": 2e8, "disk_bytes": 1e6, "cost": {"gradients": 1000.0, "seconds": 3.5}}
    server.on("POST", "/v1/jobs", Answer(200, plan))
    done = call("submit", "job.json", "--dry-run")
    assert done.returncode == 0, done.stderr
    assert re.search(r"tasks +3: chain-0 \.\. reduce\n", done.stdout) and re.search(r"memory +200 MB\n", done.stdout)
    assert "gradients" in done.stdout and "a.h5: would be sent" in done.stdout
    assert not server.requests("POST", "/v1/datasets")
    asked = server.requests("POST", "/v1/jobs")[0]
    assert asked.query == {"dry_run": "1"} and asked.json()["data"]["dataset"] == "ds_" + "0" * 26
    shown = json.loads(call("submit", "job.json", "-n", "--json").stdout)
    assert shown["ntasks"] == 3 and shown["datasets"][0]["id"] is None


@pytest.mark.parametrize("state, code", [("succeeded", 0), ("failed", 3), ("crashed", 3), ("cancelled", 6)])
@pytest.mark.parametrize("how", ["--wait", "--follow"])
def test_submit_may_stay_until_the_end(call, server, tmp_path, state, code, how):
    (tmp_path / "job.json").write_text("{}")
    server.on("POST", "/v1/jobs", Answer(202, {"id": JOB}))
    server.on("GET", JOB_PATH + "/events", stream(event(1, "state", state="running", reason="", message=""),
                                                  event(2, "progress", done=1, total=2, stage="warmup"),
                                                  event(3, "end", state=state, message="")))
    server.on("GET", JOB_PATH, Answer(200, job(state)))
    done = call("submit", "job.json", how)
    assert done.returncode == code, done.stderr
    assert done.stdout == JOB + "\n"
    assert ("warmup" in done.stderr) == (how == "--follow")


# ---- lists and looks ----

def test_ls_goes_through_pages(call, server):
    pages = {None: Answer(200, {"jobs": [job(), job("failed")], "next_cursor": "a/b"}),
             "a/b": Answer(200, {"jobs": [job("cancelled")], "next_cursor": None})}
    server.on("GET", "/v1/jobs", lambda request: pages[request.query.get("cursor")])
    done = call("ls", "--state", "running", "--kind", "posterior")
    assert done.returncode == 0 and [line.split()[1] for line in done.stdout.splitlines()] == [
        "STATE", "running", "failed", "cancelled"]
    assert server.asked[0].query == {"limit": "20", "state": "running", "kind": "posterior"}
    assert server.asked[1].query["limit"] == "18"
    shown = json.loads(call("ls", "--json").stdout)
    assert len(shown["jobs"]) == 3 and shown["more"] is False
    assert json.loads(call("ls", "--limit", "2", "--json").stdout)["more"] is True
    call("ls", "--all")
    assert server.asked[-1].query["all"] == "1"
    assert call("ls", "--all", "--mine").returncode == 2


def test_get_and_describe_show_a_job(call, server):
    shown = job("queued", reason="no_workers", retry_of=OTHER,
                progress={"done": 5, "total": 20, "stage": "warmup", "rate": 2.0, "eta_s": 8},
                task_list=[{"name": "chain-0", "state": "queued", "attempt": 2, "worker": None,
                            "reason": "worker_lost"}])
    server.on("GET", JOB_PATH, Answer(200, shown))
    done = call("get", JOB)
    assert done.returncode == 0 and "queued" in done.stdout and "1 of 5 done" in done.stdout
    assert "5/20" in done.stdout and json.loads(call("get", JOB, "--json").stdout) == shown
    done = call("describe", JOB)
    assert done.returncode == 0 and "no gang is connected" in done.stdout and OTHER in done.stdout
    assert re.search(r"chain-0 +queued +2 +- +worker_lost", done.stdout)
    assert f"ffctl cancel {JOB}" in done.stderr
    assert json.loads(call("describe", JOB, "--json").stdout) == shown


def test_describe_says_why_and_what_next(call, server):
    problem_ = {"type": "urn:fullfield:error:outside-model", "title": "The parameters are outside the model",
                "detail": "omega_c is -1", "pointer": "/model/parameters/omega_c"}
    server.on("GET", JOB_PATH, Answer(200, job("failed", error=problem_)))
    done = call("describe", JOB)
    assert done.returncode == 0 and "omega_c is -1" in done.stdout and "/model/parameters/omega_c" in done.stdout
    assert f"ffctl retry {JOB}" in done.stderr and f"ffctl logs {JOB}" in done.stderr


def test_tables_of_workers_users_tokens_and_usage(call, server):
    server.on("GET", "/v1/workers", Answer(200, {"workers": [
        {"id": WORKER, "state": "busy", "name": "host", "pool": "default", "backend": "cpu", "ranks": 1, "threads": 2,
         "task": {"job": JOB, "task": "chain-0", "attempt": 1}, "seen": "2026-01-31T23:59:59.000Z"}]}))
    server.on("GET", "/v1/users", Answer(200, {"users": [{"id": "us_1", "name": "ada", "admin": True}]}))
    server.on("GET", "/v1/tokens", Answer(200, {"tokens": [{"id": "tk_1", "user": "ada", "label": "laptop"}]}))
    server.on("GET", "/v1/usage", Answer(200, {"users": [{"name": "ada", "core_hours": 1.5, "jobs": 3}]}))
    for command, words in {"workers": (WORKER, "busy", JOB, "chain-0"), "users": ("us_1", "ada", "yes"),
                           "tokens": ("tk_1", "laptop"), "usage": ("ada", "1.5", "3")}.items():
        done = call(command)
        assert done.returncode == 0 and all(word in done.stdout for word in words), done.stdout
        assert command if command != "usage" else "users" in json.loads(call(command, "--json").stdout)
    server.on("GET", "/v1/workers", Answer(200, {"workers": []}))
    assert "no workers" in call("workers").stderr


# ---- what changes things ----

def test_cancel_retry_extend_drain(call, server):
    server.on("DELETE", JOB_PATH, Answer(202, job("cancelling")))
    server.on("POST", JOB_PATH + "/retry", Answer(202, {"id": NEW}))
    server.on("POST", JOB_PATH + "/extend", Answer(202, {"id": NEW}))
    server.on("POST", f"/v1/workers/{WORKER}/drain", Answer(202, {}))
    done = call("cancel", JOB)
    assert done.returncode == 0 and done.stdout == f"{JOB} cancelling\n" and "ffctl wait" in done.stderr
    done = call("retry", JOB)
    assert done.returncode == 0 and done.stdout == NEW + "\n" and f"ffctl watch {NEW}" in done.stderr
    done = call("extend", JOB, "--draws", "50")
    assert done.returncode == 0 and done.stdout == NEW + "\n"
    assert server.asked[-1].json() == {"draws": 50} and len(server.asked[-1].headers["Idempotency-Key"]) >= 32
    assert call("extend", JOB).returncode == 2
    assert call("workers", "drain", WORKER).returncode == 0
    assert call("workers", "stop", WORKER).returncode == 2
    assert call("workers", "drain", "wk_1").returncode == 2


def test_a_cancel_whose_answer_is_lost_is_not_repeated(call, server):
    server.on("DELETE", JOB_PATH, Answer(202, job("cancelling"), cut=5))
    assert call("cancel", JOB).returncode == 9
    assert len(server.requests("DELETE", JOB_PATH)) == 1


def test_users_and_tokens_are_made_and_removed(call, server, tmp_path):
    user, token = "us_" + "a" * 26, "tk_" + "a" * 26
    server.on("POST", "/v1/users", Answer(201, {"id": user, "name": "ada"}))
    server.on("POST", "/v1/tokens", Answer(201, {"id": token, "token": "ff_new", "user": "ada"}))
    server.on("DELETE", f"/v1/users/{user}", Answer(204))
    server.on("DELETE", f"/v1/tokens/{token}", Answer(204))
    done = call("users", "add", "ada", "--queued", "9", "--bytes", "1e9")
    assert done.returncode == 0 and done.stdout == user + "\n"
    assert server.asked[-1].json() == {"name": "ada", "admin": False,
                                       "quotas": {"queued": 9, "result_bytes": 1000000000}}
    done = call("tokens", "add", "ada", "--label", "laptop")
    assert done.returncode == 0 and done.stdout == "ff_new\n"
    assert server.asked[-1].json() == {"user": "ada", "label": "laptop"}
    done = call("tokens", "add", "-o", "ada.token")
    assert done.returncode == 0 and "ff_new" not in done.stdout + done.stderr
    assert (tmp_path / "ada.token").read_text() == "ff_new\n"
    assert stat.S_IMODE((tmp_path / "ada.token").stat().st_mode) == 0o600
    before = len(server.asked)
    assert call("tokens", "add", "-o", "ada.token").returncode == 2  # there already: no token is wasted
    assert len(server.asked) == before
    assert call("users", "rm", user).returncode == 0 and call("tokens", "rm", token).returncode == 0
    server.on("POST", "/v1/tokens", problem(403, "forbidden"))
    assert call("tokens", "add", "ada", "-o", "no.token").returncode == 4
    assert not (tmp_path / "no.token").exists()


# ---- upload, download, export ----

def test_upload_sends_a_dataset_or_converts_first(call, server, tmp_path):
    put_dataset(tmp_path / "a.h5")
    np.save(tmp_path / "maps.npy", np.zeros((2, 8, 8)))
    server.on("GET", "/v1/datasets", Answer(200, {"datasets": [], "next_cursor": None}))
    server.on("POST", "/v1/datasets", Answer(201, {"id": DATASET}))
    done = call("upload", "a.h5", "--name", "my maps")
    assert done.returncode == 0 and done.stdout == DATASET + "\n", done.stderr
    assert server.asked[-1].query["name"] == "my maps"
    assert server.asked[-1].body == (tmp_path / "a.h5").read_bytes()
    done = call("upload", "maps.npy", "--as", "convergence", "--size-deg", "5", "--noise-sd", "0.1")
    assert done.returncode == 0, done.stderr
    assert server.asked[-1].body.startswith(b"\x89HDF") and server.asked[-1].query["name"] == "maps.npy"
    assert os.listdir(tmp_path / "tmp") == []
    assert "--as" in call("upload", "maps.npy").stderr and call("upload", "maps.npy").returncode == 2
    assert call("upload", "a.h5", "--as", "shear").returncode == 2
    assert call("upload", "absent.h5").returncode == 2
    sha256 = hashlib.sha256((tmp_path / "a.h5").read_bytes()).hexdigest()
    known = {"id": DATASET, "sha256": sha256}
    server.on("GET", "/v1/datasets", Answer(200, {"datasets": [known], "next_cursor": None}))
    before = len(server.requests("POST", "/v1/datasets"))
    shown = json.loads(call("upload", "a.h5", "--json").stdout)
    assert shown["id"] == DATASET and shown["sent"] is False
    assert len(server.requests("POST", "/v1/datasets")) == before


CONTENT = bytes(range(256)) * 40000
ETAG = "sha256-" + hashlib.sha256(CONTENT).hexdigest()


def test_download_survives_breaks_and_verifies(call, server, tmp_path):
    server.on("GET", JOB_PATH, Answer(200, finished(CONTENT)))
    server.on("GET", JOB_PATH + "/result", ranges(CONTENT, ETAG, cuts=[1000000, 3000000, 1]))
    done = call("download", JOB, "-o", "r.h5")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "r.h5").read_bytes() == CONTENT and done.stdout == "wrote r.h5\n"
    assert len(server.requests("GET", JOB_PATH + "/result")) == 4
    assert call("download", JOB).returncode == 0 and (tmp_path / f"{JOB}.h5").read_bytes() == CONTENT


def test_download_resumes_what_an_earlier_one_left(call, server, tmp_path):
    (tmp_path / "r.h5.part").write_bytes(CONTENT[:5000])
    server.on("GET", JOB_PATH, Answer(200, finished(CONTENT)))
    server.on("GET", JOB_PATH + "/result", ranges(CONTENT, ETAG))
    assert call("download", JOB, "-o", "r.h5", "--resume").returncode == 0
    assert server.asked[-1].headers["Range"] == "bytes=4999-"
    assert (tmp_path / "r.h5").read_bytes() == CONTENT and not (tmp_path / "r.h5.part").exists()


def test_wrong_bytes_are_never_a_result(call, server, tmp_path):
    server.on("GET", JOB_PATH, Answer(200, finished(CONTENT)))
    server.on("GET", JOB_PATH + "/result", ranges(CONTENT[:-1] + b"x", ETAG))
    done = call("download", JOB, "-o", "r.h5")
    assert done.returncode == 1 and "SHA-256" in done.stderr
    assert not (tmp_path / "r.h5").exists() and not (tmp_path / "r.h5.part").exists()
    server.on("GET", JOB_PATH + "/result", problem(500, "result-corrupt"))
    assert call("download", JOB, "-o", "r.h5").returncode == 1


def test_a_job_without_result_is_a_conflict(call, server, tmp_path):
    server.on("GET", JOB_PATH, Answer(200, job("running")))
    done = call("download", JOB)
    assert done.returncode == 8 and "running" in done.stderr
    assert call("export", JOB, "--format", "corner", "-o", "x.png").returncode == 8
    assert os.listdir(tmp_path / "tmp") == []


def test_export_of_a_job_leaves_no_temporary_file(call, server, tmp_path):
    with h5py.File(tmp_path / "r.h5", "w") as file:
        file.attrs["spec"] = json.dumps({"kind": "draws", "seed": 1})
        file.attrs["seed"], file.attrs["version"], file.attrs["backend"] = 1, "0", "cpu"
        file["draws/theta"] = np.arange(6.0).reshape(3, 2)
    content = (tmp_path / "r.h5").read_bytes()
    server.on("GET", JOB_PATH, Answer(200, finished(content)))
    server.on("GET", JOB_PATH + "/result", ranges(content, "sha256-" + hashlib.sha256(content).hexdigest()))
    done = call("export", JOB, "--format", "npy", "--map", "draws/theta", "-o", "theta.npy")
    assert done.returncode == 0, done.stderr
    assert np.array_equal(np.load(tmp_path / "theta.npy"), np.arange(6.0).reshape(3, 2))
    assert os.listdir(tmp_path / "tmp") == []


# ---- version, completion ----

def test_version_check_asks_the_server_too(call, server, ffctl, tmp_path):
    version = json.loads(call("version", "--json").stdout)
    assert not server.asked  # only when asked to
    pretend = tmp_path / "bin"
    pretend.mkdir()
    shutil.copy(ffctl, pretend / "ffctl")
    (pretend / "ffworker").write_text(f"#!/bin/sh\necho 'ffworker 0.0.0 ({version['build']})'\n")
    (pretend / "ffworker").chmod(0o755)

    def check(answer):
        server.on("GET", "/v1/version", answer)
        return subprocess.run([pretend / "ffctl", "version", "--check", "--server", server.url, "--json"],
                              capture_output=True, text=True, check=False)

    done = check(Answer(200, {"version": version["version"], "build": "another"}))
    assert done.returncode == 0 and json.loads(done.stdout)["server_fits"] is True, done.stderr
    done = check(Answer(200, {"version": "99.0.0", "build": "another"}))
    assert done.returncode == 10 and json.loads(done.stdout)["server_fits"] is False
    assert check(problem(503, "busy")).returncode == 8


def complete(script, *words):
    """What bash offers after these words."""
    line = (f"source {script}; COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}; "
            "_ffctl; printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_bash_completes_commands_options_and_values(ffctl, tmp_path):
    script = tmp_path / "completion.bash"
    script.write_text(subprocess.run([ffctl, "completion", "bash"], capture_output=True, text=True, check=True).stdout)
    subprocess.run(["bash", "-n", script], check=True)
    assert complete(script, "ffctl", "wa") == {"watch", "wait"}
    assert {"submit", "run", "help"} <= complete(script, "ffctl", "")
    assert complete(script, "ffctl", "ls", "--st") == {"--state"}
    assert complete(script, "ffctl", "ls", "--state", "c") == {"cancelling", "crashed", "cancelled"}
    assert complete(script, "ffctl", "--json", "ls", "--limi") == {"--limit"}
    assert complete(script, "ffctl", "users", "") == {"add", "rm"}
    assert complete(script, "ffctl", "run", "--ser") == set()
    assert complete(script, "ffctl", "get", "--ser") == {"--server"}
    assert complete(script, "ffctl", "submit", str(tmp_path / "comp")) == {str(script)}
    assert complete(script, "ffctl", "download", "-o", str(tmp_path / "comp")) == {str(script)}


def test_every_command_and_option_is_in_every_script(ffctl):
    commands = json.loads(subprocess.run([ffctl, "help", "--json"], capture_output=True, text=True, check=True).stdout)
    for shell in ("bash", "zsh", "fish"):
        done = subprocess.run([ffctl, "completion", shell], capture_output=True, text=True, check=True)
        for command in commands["commands"]:
            assert re.search(rf"\b{command['name']}\b", done.stdout), (shell, command["name"])
            for option in command["options"]:
                assert option["name"] in done.stdout, (shell, command["name"], option["name"])
        if shutil.which(shell):
            subprocess.run([shell, "-n"], input=done.stdout, text=True, check=True)
    assert subprocess.run([ffctl, "completion", "csh"], capture_output=True, check=False).returncode == 2
