"""ffctl watch, wait and logs against a server with scripted answers (fakehttp): progress, exit codes, broken
connections, signals."""
import json
import os
import pty
import signal
import subprocess
import time

import pytest
from fakehttp import Answer, event, problem, stream
from test_ffctl_server import (JOB, JOB_PATH, NEW, OTHER, call, error_of, finished, home, job,  # noqa: F401 (fixtures)
                               server)


def test_watch_shows_progress_of_all_tasks_and_returns_the_jobs_code(call, server):
    server.on("GET", JOB_PATH, Answer(200, job()), Answer(200, finished()))
    server.on("GET", JOB_PATH + "/events", stream(
        event(1, "state", state="running", reason="", message=""),
        event(2, "progress", task="chain-0", done=50, total=100, stage="sampling", rate=5, eta_s=10, ess=20, rhat=1.2,
              divergences=1),
        event(3, "log", level="warning", message="look at this"),
        event(4, "progress", task="chain-1", done=10, total=100, stage="warmup", rate=5, eta_s=30, ess=30, rhat=1.1,
              divergences=2),
        event(5, "end", state="succeeded", message="")))
    done = call("watch", JOB)
    assert done.returncode == 0 and done.stdout == f"{JOB} succeeded\n", done.stderr
    assert "running\n" in done.stderr and "warning: look at this" in done.stderr
    assert "60/200" in done.stderr and "ESS 50" in done.stderr and "R-hat 1.200" in done.stderr
    assert f"ffctl download {JOB}" in done.stderr


@pytest.mark.parametrize("state, code", [("failed", 3), ("crashed", 3), ("cancelled", 6)])
def test_watch_returns_the_jobs_end(call, server, state, code):
    error = {"type": "urn:fullfield:error:numeric", "title": "T", "detail": "no finite draw", "pointer": ""}
    server.on("GET", JOB_PATH, Answer(200, job()), Answer(200, job(state, error=error)))
    server.on("GET", JOB_PATH + "/events", stream(event(1, "end", state=state, message="")))
    done = call("watch", JOB, "--json")
    assert done.returncode == code
    assert [json.loads(line)["type"] for line in done.stdout.splitlines()] == ["end"]
    assert error_of(done)["exit_code"] == code and "no finite draw" in error_of(done)["detail"]


def test_watch_goes_on_over_broken_connections(call, server):
    server.on("GET", JOB_PATH, Answer(200, job()), Answer(200, finished()))
    cut = stream(event(1, "log", level="info", message="one"), event(2, "log", level="info", message="two"), cut=-20)
    busy = problem(503, "busy", headers={"Retry-After": "0"})
    server.on("GET", JOB_PATH + "/events", cut, busy, Answer(200, "", cut=0),
              stream(event(2, "log", level="info", message="two"), event(3, "end", state="succeeded", message="")))
    done = call("watch", JOB, "--json")
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["seq"] for line in done.stdout.splitlines()] == [1, 2, 3]
    last = [request.headers["Last-Event-ID"] for request in server.requests("GET", JOB_PATH + "/events")]
    assert last[0] == "0" and set(last[1:]) == {"1"}


@pytest.mark.parametrize("command", [("watch",), ("logs", "-f")])
def test_a_lost_server_is_never_success(call, server, command):
    server.on("GET", JOB_PATH, Answer(200, job()))
    server.on("GET", JOB_PATH + "/logs", Answer(200, ""))
    server.on("GET", JOB_PATH + "/events", stream(event(1, "log", level="info", message="one")))
    done = call(command[0], JOB, *command[1:], "--patience", "0.5")
    assert done.returncode == 9 and "one" in done.stdout + done.stderr and "the job goes on" in done.stderr


def test_watch_of_a_job_that_has_ended(call, server):
    server.on("GET", JOB_PATH, Answer(200, finished()))
    server.on("GET", JOB_PATH + "/events", Answer(204))
    assert call("watch", JOB).returncode == 0


def test_wait_for_several_returns_the_largest_code(call, server):
    server.on("GET", JOB_PATH, Answer(200, job("queued")), Answer(200, job()), Answer(200, finished()))
    server.on("GET", f"/v1/jobs/{OTHER}", Answer(200, {**job("cancelled"), "id": OTHER}))
    server.on("GET", f"/v1/jobs/{NEW}", Answer(200, {**job("failed"), "id": NEW}))
    assert call("wait", JOB).returncode == 0
    done = call("wait", JOB, OTHER, NEW)
    assert done.returncode == 6
    assert done.stdout == f"{JOB} succeeded\n{OTHER} cancelled\n{NEW} failed\n"
    assert call("wait", NEW).returncode == 3
    absent = "job_" + "z" * 26
    done = call("wait", JOB, absent, "--json")
    assert done.returncode == 5
    assert json.loads(done.stdout)["jobs"] == [{"id": JOB, "state": "succeeded"}, {"id": absent, "state": "not-found"}]


def test_wait_times_out_with_7(call, server):
    server.on("GET", JOB_PATH, Answer(200, job()))
    done = call("wait", JOB, "--timeout", "0.3")
    assert done.returncode == 7 and "0.3 s" in done.stderr
    assert call("wait", JOB, "--for", "running").returncode == 0
    server.on("GET", JOB_PATH, Answer(200, job("queued")))
    assert call("wait", JOB, "--for", "running", "--timeout", "0").returncode == 7
    server.on("GET", JOB_PATH, Answer(200, job("failed")))
    assert call("wait", JOB, "--for", "running").returncode == 3


def test_wait_outlasts_a_server_that_restarts(call, server):
    server.on("GET", JOB_PATH, *[Answer(200, job(), cut=4)] * 6, Answer(200, finished()))
    assert call("wait", JOB).returncode == 0


def test_logs_print_lines_and_pass_their_bounds_on(call, server):
    lines = [{"seq": 1, "time": "2026-01-31T23:59:58.000Z", "task": None, "type": "state", "state": "running",
              "reason": "", "message": ""},
             {"seq": 4, "time": "2026-01-31T23:59:59.000Z", "task": "chain-0", "type": "log", "level": "info",
              "message": "hello"}]
    text = "".join(json.dumps(line) + "\n" for line in lines)
    server.on("GET", JOB_PATH + "/logs", Answer(200, text, {"Content-Type": "application/x-ndjson"}))
    done = call("logs", JOB)
    assert done.returncode == 0 and done.stdout == ("2026-01-31T23:59:58 job        running\n"
                                                    "2026-01-31T23:59:59 chain-0    info: hello\n")
    assert server.asked[-1].query == {}
    assert [json.loads(line) for line in call("logs", JOB, "--json").stdout.splitlines()] == lines
    call("logs", JOB, "--since", "2026-01-31T12:00:00Z", "--tail", "5", "--attempt", "2", "--task", "chain-0")
    assert server.asked[-1].query == {"since": "2026-01-31T12:00:00Z", "tail": "5", "attempt": "2", "task": "chain-0"}
    call("logs", JOB, "--since", "2h")
    since = time.strptime(server.asked[-1].query["since"], "%Y-%m-%dT%H:%M:%SZ")
    assert abs(time.time() - 7200 - time.mktime(since) + time.timezone) < 60
    for wrong in ("yesterday", "10", "-5m", "5w"):
        assert call("logs", JOB, f"--since={wrong}").returncode == 2, wrong


def test_logs_follow_from_where_the_log_ended(call, server):
    line = {"seq": 7, "time": "2026-01-31T23:59:58.000Z", "task": None, "type": "log", "level": "info", "message": "a"}
    server.on("GET", JOB_PATH + "/logs", Answer(200, json.dumps(line) + "\n"))
    server.on("GET", JOB_PATH + "/events", stream(event(8, "progress", done=1, total=2, stage="s"),
                                                  event(9, "log", level="info", message="b"),
                                                  event(10, "end", state="failed", message="c")))
    done = call("logs", JOB, "-f")
    assert done.returncode == 0 and [text[-1] for text in done.stdout.splitlines()] == ["a", "b", "c"]
    assert server.asked[-1].headers["Last-Event-ID"] == "7"
    server.on("GET", JOB_PATH + "/logs", Answer(200, json.dumps({**line, "type": "end", "state": "failed"}) + "\n"))
    before = len(server.asked)
    assert call("logs", JOB, "-f").returncode == 0 and len(server.asked) == before + 1


def test_a_log_that_breaks_off_is_not_complete(call, server):
    server.on("GET", JOB_PATH + "/logs", Answer(200, '{"seq": 1}\n{"se', cut=14))
    assert call("logs", JOB).returncode == 9


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("command", [("watch",), ("logs", "-f"), ("wait",)])
def test_signals_leave_the_job_running(ffctl, home, server, tmp_path, command, number, code):
    server.on("GET", JOB_PATH, Answer(200, job()))
    server.on("GET", JOB_PATH + "/logs", Answer(200, ""))
    server.on("GET", JOB_PATH + "/events", stream(event(1, "log", level="info", message="one"), hold=True))
    env = {**home, "FFCTL_SERVER": server.url, "FFCTL_TOKEN_FILE": str(tmp_path / "token")}
    with subprocess.Popen([ffctl, command[0], JOB, *command[1:]], env=env, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 20
        wanted = JOB_PATH if command == ("wait",) else JOB_PATH + "/events"
        while not server.requests("GET", wanted) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == code, stderr
    assert "DELETE" not in {request.method for request in server.asked}
    assert command == ("wait",) or "the job goes on" in stderr


def test_a_terminal_gets_a_bar(ffctl, home, server, tmp_path):
    server.on("GET", JOB_PATH, Answer(200, job()), Answer(200, finished()))
    server.on("GET", JOB_PATH + "/events", stream(event(1, "progress", done=50, total=100, stage="sampling"),
                                                  event(2, "end", state="succeeded", message="")))
    main, side = pty.openpty()
    env = {**home, "TERM": "xterm", "FFCTL_SERVER": server.url, "FFCTL_TOKEN_FILE": str(tmp_path / "token")}
    done = subprocess.run([ffctl, "watch", JOB], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=side,
                          timeout=60, check=False)
    os.close(side)
    shown = b""
    try:
        while block := os.read(main, 65536):
            shown += block
    except OSError:
        pass
    os.close(main)
    assert done.returncode == 0 and b"\r" in shown and b"[####" in shown
