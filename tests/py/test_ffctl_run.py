"""ffctl run from outside, with a pretended server (fakehttp): what it starts, shows and returns, how it stops and goes
on. test_posterior.py runs the real one."""
import json
import os
import pty
import signal
import shutil
import subprocess
import time

import pytest
from test_ffctl import JOB, ROOT, call, posterior, pretend  # noqa: F401 (posterior is a fixture)

RUN_ID = "job_0123456789abcdefghijklmnop"
EVENTS = [("state", {"state": "running", "reason": "", "message": ""}),
          *[("progress", {"done": done, "total": 100, "rate": 12.5, "eta_s": 75, "stage": "sampling", "ess": 42.4,
                          "rhat": 1.0123, "divergences": 2}) for done in (1, 50, 100)],
          ("log", {"level": "warning", "message": "mind the gap"}),
          ("end", {"state": "succeeded", "message": ""})]
ENDLESS = [("progress", {"done": 1, "total": 100, "rate": 1, "eta_s": 99, "stage": "warmup"})]


def pretend_server(ffctl, where, events, state="succeeded", stop="", start=""):
    """ffserver as `ffctl run` needs it: one job that tells `events` (arguments of fakehttp.event) and ends in `state`,
    with FF_TEST_RESULT as its result. `stop`: what it does at SIGTERM, `start`: before anything else. A state of ""
    never ends."""
    return pretend(ffctl, where, "ffserver", f"""
        sys.path.insert(0, {str(ROOT / "tests/py")!r})
        from fakehttp import Answer, FakeServer, event, problem, stream
        JOB = {RUN_ID!r}
        word = lambda option: sys.argv[sys.argv.index(option) + 1]
        open("argv.json", "w").write(json.dumps(sys.argv[1:]))
        data, listen = pathlib.Path(word("--data")), word("--listen").removeprefix("unix:")
        {start}
        (data / "fullfield.db").write_text("")
        job = {{"id": JOB, "kind": "posterior", "state": {state!r} or "running"}}
        if {state!r} == "failed":
            job["error"] = {{"type": "urn:fullfield:error:numeric", "detail": "no finite draw", "pointer": ""}}
        if {state!r} == "succeeded":
            folder = data / "store/results" / JOB
            folder.mkdir(parents=True)
            shutil.copy(os.environ["FF_TEST_RESULT"], folder / "reduce.1.h5")
            job["result"] = {{"size": (folder / "reduce.1.h5").stat().st_size, "sha256": ""}}
        def stopped(number, frame):
            {stop}
            open("stopped", "w").write(str(number))
            os._exit(0)
        signal.signal(signal.SIGTERM, stopped)
        pathlib.Path(listen).unlink(missing_ok=True)
        fake = FakeServer(listen)
        posted = lambda request: (data / "posted.json").write_bytes(request.body) and Answer(202, {{"id": JOB}})
        fake.on("POST", "/v1/jobs", posted)
        fake.on("GET", f"/v1/jobs/{{JOB}}", Answer(200, job))
        fake.on("GET", f"/v1/jobs/{{JOB}}/logs", Answer(200, {{"seq": 1}}))
        told = [event(seq, kind, **members) for seq, (kind, members) in enumerate({events!r}, 1)]
        fake.on("GET", f"/v1/jobs/{{JOB}}/events", stream(*told, hold={state == ""}))
        with fake:
            (data / "server.address").write_text("here")
            open("started", "w").write(str(os.getpid()))
            while True:
                time.sleep(0.05)  # not signal.pause(): a signal just before it would wait for the next one
        """)


@pytest.fixture
def job(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(json.dumps(JOB))
    return path


def environment(posterior):
    return {**os.environ, "FF_TEST_RESULT": str(posterior)}


def test_run_shows_progress_in_lines_then_the_result(ffctl, posterior, job, tmp_path):
    binary = pretend_server(ffctl, tmp_path, EVENTS)
    done = call(binary, "run", job, "--threads", 2, "--backend", "cpu", cwd=tmp_path, env=environment(posterior))
    assert done.returncode == 0, done.stderr
    assert "1/100" in done.stderr and "100/100" in done.stderr and "ETA 1:15" in done.stderr
    assert "ESS 42" in done.stderr and "R-hat 1.012" in done.stderr and "divergences 2" in done.stderr
    assert "warning: mind the gap" in done.stderr and "ffctl describe tiny.h5" in done.stderr
    assert "\r" not in done.stderr and "\033" not in done.stderr + done.stdout
    assert "sigma8" in done.stdout
    argv = json.loads((tmp_path / "argv.json").read_text())
    assert argv[:11] == ["--private", "--data", "tiny.h5.ckpt", "--listen", "unix:tiny.h5.ckpt/s", "--workers", "2",
                         "--worker-ranks", "1", "--worker-threads", "1"]
    assert (tmp_path / "tiny.h5").read_bytes() == posterior.read_bytes()
    assert not (tmp_path / "tiny.h5.lock").exists() and not (tmp_path / "tiny.h5.ckpt").exists()
    assert (tmp_path / "stopped").exists()


def test_run_json_passes_the_events_through(ffctl, posterior, job, tmp_path):
    binary = pretend_server(ffctl, tmp_path, EVENTS)
    done = call(binary, "run", job, "-o", "x.h5", "--json", cwd=tmp_path, env=environment(posterior))
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["type"] for event in events] == ["state", "progress", "progress", "progress", "log", "end"]
    assert done.returncode == 0 and done.stderr == ""


def test_run_draws_a_bar_on_a_terminal_only(ffctl, posterior, job, tmp_path):
    binary = pretend_server(ffctl, tmp_path, EVENTS)
    shown = {}
    for no_color in ("", "1"):
        terminal, other = pty.openpty()
        env = {**environment(posterior), "TERM": "xterm", "NO_COLOR": no_color}
        subprocess.run([binary, "run", job], cwd=tmp_path, env=env, stdin=subprocess.DEVNULL,
                       stdout=subprocess.DEVNULL, stderr=other, timeout=60, check=True)
        os.close(other)
        shown[no_color] = b""
        try:
            while chunk := os.read(terminal, 65536):
                shown[no_color] += chunk
        except OSError:  # the other end is closed
            pass
        os.close(terminal)
        assert b"\r" in shown[no_color] and b"[####" in shown[no_color]
    assert b"\033[33m" in shown[""] and b"\033[33m" not in shown["1"]


@pytest.mark.parametrize("state, code", [("failed", 3), ("crashed", 3), ("cancelled", 6)])
def test_run_returns_what_became_of_the_job(ffctl, job, tmp_path, state, code):
    binary = pretend_server(ffctl, tmp_path, [("end", {"state": state, "message": ""})], state)
    done = call(binary, "run", job, cwd=tmp_path)
    assert done.returncode == code and state in done.stderr and done.stdout == "", done.stderr
    assert ("no finite draw" in done.stderr) == (state == "failed")
    assert (tmp_path / "tiny.h5.ckpt").exists() and not (tmp_path / "tiny.h5").exists()
    error = json.loads(call(binary, "run", job, "--json", cwd=tmp_path).stderr)
    assert error["exit_code"] == code


@pytest.mark.parametrize("start, code, says", [
    ("print('ffserver: no room', file=sys.stderr); sys.exit(8)", 8, "no room"),
    ("print('ffserver: the database', file=sys.stderr); sys.exit(1)", 1, "the database"),
    ("os.kill(os.getpid(), signal.SIGKILL)", 3, "killed"),
])
def test_a_server_that_does_not_start_says_why(ffctl, job, tmp_path, start, code, says):
    binary = pretend_server(ffctl, tmp_path, [], start=start)
    done = call(binary, "run", job, cwd=tmp_path)
    assert done.returncode == code and says in done.stderr, done.stderr
    assert json.loads(call(binary, "run", job, "--json", cwd=tmp_path).stderr)["exit_code"] == code


def test_a_server_that_dies_is_noticed_at_once(ffctl, job, tmp_path):
    process = start_waiting(ffctl, job, tmp_path)
    os.kill(int((tmp_path / "started").read_text()), signal.SIGKILL)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 3 and "private server was killed" in stderr


def wait_for(path, timeout_s=20):
    end = time.monotonic() + timeout_s
    while not (path.exists() and path.stat().st_size):
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)


def start_waiting(ffctl, job, where, *options, **more):
    """ffctl run of a job that never ends, once it is posted and listened to."""
    binary = pretend_server(ffctl, where, ENDLESS, "", **more)
    process = subprocess.Popen([binary, "run", job, *options], cwd=where, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for(where / "started")
    wait_for(where / "tiny.h5.ckpt/run.json")
    return process


@pytest.mark.parametrize("number, code, options", [(signal.SIGINT, 130, ()), (signal.SIGTERM, 143, ("--json",))])
def test_run_stops_with_a_checkpoint_and_says_how_to_go_on(ffctl, job, tmp_path, number, code, options):
    process = start_waiting(ffctl, job, tmp_path, *options)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == code and f"ffctl run {job} -o tiny.h5 --resume" in stderr
    assert json.loads(stderr)["exit_code"] == code if options else "stopping" in stderr
    assert (tmp_path / "stopped").read_text() == str(int(signal.SIGTERM))


def test_a_second_interrupt_kills_the_server(ffctl, job, tmp_path):
    process = start_waiting(ffctl, job, tmp_path, stop="open('asked', 'w').write('1'); time.sleep(60)")
    process.send_signal(signal.SIGINT)
    wait_for(tmp_path / "asked")
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert process.returncode == 130 and "killing" in stderr
    with pytest.raises(ProcessLookupError):
        os.kill(int((tmp_path / "started").read_text()), 0)


def test_resume_goes_on_with_the_job_that_was_left(ffctl, posterior, job, tmp_path):
    process = start_waiting(ffctl, job, tmp_path)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    (tmp_path / "tiny.h5.ckpt/posted.json").unlink()
    binary = pretend_server(ffctl, tmp_path, EVENTS, start="shutil.copytree(data, 'before', ignore=lambda *_: ['s'])")
    done = call(binary, "run", job, "--resume", cwd=tmp_path, env=environment(posterior))
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "before/posted.json").exists() and (tmp_path / "before/run.json").exists()
    assert (tmp_path / "tiny.h5").exists()


def test_resume_refuses_another_job_and_keeps_what_is_there(ffctl, job, tmp_path):
    process = start_waiting(ffctl, job, tmp_path)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=20)
    job.write_text(json.dumps({**JOB, "seed": 99}))
    done = call(tmp_path / "ffctl", "run", job, "--resume", cwd=tmp_path)
    assert done.returncode == 8 and "/seed" in done.stderr
    job.write_text(json.dumps({**JOB, "resources": {"threads": 1}}))
    done = call(pretend_server(ffctl, tmp_path, [("end", {"state": "failed", "message": ""})], "failed"), "run", job,
                "--resume", cwd=tmp_path)
    assert done.returncode == 3, done.stderr


def test_a_run_without_resume_throws_old_data_away(ffctl, posterior, job, tmp_path):
    folder = tmp_path / "tiny.h5.ckpt"
    (folder / "deep/er").mkdir(parents=True)
    (folder / "fullfield.db").write_text("old")
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("")
    (folder / "link").symlink_to(outside)
    alone = "assert os.listdir(data) == ['server.err'], os.listdir(data)"
    binary = pretend_server(ffctl, tmp_path, EVENTS, start=alone)
    done = call(binary, "run", job, cwd=tmp_path, env=environment(posterior))
    assert done.returncode == 0, done.stderr
    assert (outside / "kept").exists()


def test_checkpoints_of_ffworker_are_not_taken_for_a_servers(ffctl, job, tmp_path):
    (tmp_path / "tiny.h5.ckpt").mkdir()
    (tmp_path / "tiny.h5.ckpt/chain-0.a").write_text("")
    done = call(pretend_server(ffctl, tmp_path, EVENTS), "run", job, "--resume", cwd=tmp_path)
    assert done.returncode == 8 and "ffworker --job" in done.stderr
    assert (tmp_path / "tiny.h5.ckpt/chain-0.a").exists()


def test_a_long_path_gets_a_short_socket(ffctl, posterior, job, tmp_path):
    out = tmp_path / ("x" * 120 + ".h5")
    env = {**environment(posterior), "XDG_RUNTIME_DIR": str(tmp_path)}
    done = call(pretend_server(ffctl, tmp_path, EVENTS), "run", job, "-o", out, cwd=tmp_path, env=env)
    assert done.returncode == 0, done.stderr
    listen = json.loads((tmp_path / "argv.json").read_text())[4]
    assert len(listen) <= 5 + 107 and not os.path.exists(listen.removeprefix("unix:"))
    assert not [name for name in os.listdir(tmp_path) if name.startswith("ffctl-")]


def test_a_killed_ffctl_takes_its_server_to_a_checkpoint(ffctl, job, tmp_path):
    die_with_parent = "import ctypes; ctypes.CDLL(None).prctl(1, signal.SIGTERM)"  # as ffserver --private does
    process = start_waiting(ffctl, job, tmp_path, start=die_with_parent)
    argv = json.loads((tmp_path / "argv.json").read_text())
    assert argv[argv.index("--parent") + 1] == str(process.pid)  # whose death before this it would not be told
    process.kill()
    process.communicate(timeout=20)
    wait_for(tmp_path / "stopped")
    assert (tmp_path / "stopped").read_text() == str(int(signal.SIGTERM))


def test_a_resumed_run_waits_for_the_server_of_a_killed_one(ffctl, posterior, job, tmp_path):
    die_with_parent = "import ctypes; ctypes.CDLL(None).prctl(1, signal.SIGTERM)"
    process = start_waiting(ffctl, job, tmp_path, start=die_with_parent, stop="time.sleep(1.5)")
    process.kill()
    process.communicate(timeout=20)
    check = "assert os.path.exists('stopped'), 'two servers at once'"
    binary = pretend_server(ffctl, tmp_path, EVENTS, start=check)
    done = call(binary, "run", job, "--resume", cwd=tmp_path, env=environment(posterior))
    assert done.returncode == 0 and "waiting" in done.stderr, done.stderr


@pytest.mark.parametrize("change, code, says", [
    (None, 2, "tiny.json"),
    ("{", 2, "line 1"),
    ({**JOB, "kind": "nonsense"}, 2, "/kind"),
    ({**JOB, "surprise": 1}, 2, "/surprise"),
    ({**JOB, "kind": "implicit"}, 2, "not in this build"),
])
def test_bad_jobs_are_refused_before_any_work(ffctl, job, tmp_path, change, code, says):
    job.unlink()
    if change is not None:
        job.write_text(change if isinstance(change, str) else json.dumps(change))
    binary = pretend_server(ffctl, tmp_path, EVENTS, start="open('ran', 'w')")
    done = call(binary, "run", job, cwd=tmp_path)
    assert done.returncode == code and says in done.stderr, done.stderr
    assert not (tmp_path / "ran").exists() and not (tmp_path / "tiny.h5.lock").exists()


def test_a_missing_dataset_is_refused_and_leaves_nothing(ffctl, job, tmp_path):
    job.write_text(json.dumps({**JOB, "data": {"dataset": "@absent.h5"}}))
    done = call(pretend_server(ffctl, tmp_path, EVENTS, ""), "run", job, "-o", "x.h5", "--json", cwd=tmp_path)
    error = json.loads(done.stderr)
    assert done.returncode == error["exit_code"] == 2 and "absent.h5" in error["detail"]
    assert not (tmp_path / "x.h5.ckpt").exists() and not (tmp_path / "x.h5.lock").exists()


def test_run_without_a_server_says_so(ffctl, job, tmp_path):
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy(ffctl, alone / "ffctl")
    done = call(alone / "ffctl", "run", job, cwd=tmp_path, env={"PATH": str(alone)})
    assert done.returncode == 2 and "ffserver" in done.stderr
