"""The dispatcher from outside: a real server that is killed at every point where dying matters, or stopped for longer
than a lease (1 s here), with a gang made of a socket (fakegang.py)."""
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time

import pytest

from conftest import program
from fakegang import local_gang

DEADLINE_S = 60


@pytest.fixture
def ffserver():
    return program("ffserver")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=10)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Server:
    """ffserver on a unix socket in `folder`, with the no-op kind."""

    def __init__(self, binary, folder):
        self.binary, self.data, self.socket = binary, folder / "data", folder / "s"
        self.process, self.deaths = None, []

    def start(self, **environment):
        if self.process:
            self.deaths.append(self.process.wait())
        (self.data / "dispatch.address").unlink(missing_ok=True)
        self.process = subprocess.Popen(
            [self.binary, "--data", self.data, "--listen", f"unix:{self.socket}", "--dispatch", "tcp://127.0.0.1:*",
             "--heartbeat-ms", "100", "--lease-ms", "1000", "--test-kinds", "--log-file",
             self.data.parent / "log"],
            env={**os.environ, **environment}, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.wait(lambda: (self.data / "dispatch.address").exists() or self.process.poll() is not None, "its address")

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    @staticmethod
    def wait(condition, what):
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"waited for {what}"
            time.sleep(0.01)

    def endpoint(self):
        return (self.data / "dispatch.address").read_text(encoding="ascii").strip()

    def request(self, method, path, body=None):
        connection = UnixConnection(self.socket)
        try:
            connection.request(method, path, json.dumps(body) if body else None, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    def submit(self, key, **job):
        """The job's id. Repeated until it is answered: the key makes that safe."""
        end = time.monotonic() + DEADLINE_S
        while time.monotonic() < end:
            if self.process.poll() is not None:
                self.start()
            try:
                connection = UnixConnection(self.socket)
                connection.request("POST", "/v1/jobs", json.dumps({"kind": "noop", **job}),
                                   {"Content-Type": "application/json", "Idempotency-Key": key})
                answer = connection.getresponse()
                text = answer.read()
                assert answer.status == 202, text
                return json.loads(text)["id"]
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
        raise AssertionError("the job was not accepted")


@pytest.fixture
def server(ffserver, tmp_path):
    server = Server(ffserver, tmp_path)
    yield server
    if server.process:
        server.stop()


class Worker(threading.Thread):
    """A gang that does what it is sent, and comes back when the server does."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.stopping, self.committed = server, threading.Event(), []

    def run(self):
        while not self.stopping.is_set():
            try:
                gang = local_gang(self.server.endpoint(), self.server.data)
            except OSError:
                time.sleep(0.02)
                continue
            with gang:
                self.serve(gang)

    def serve(self, gang):
        """Until the server is another process, which listens at another address."""
        endpoint, state = gang.endpoint, {"said": 0}
        while not self.stopping.is_set():
            try:
                if self.server.endpoint() != endpoint:
                    return
            except OSError:
                return
            now = time.monotonic()
            if gang.worker is None and now > state["said"] + 1:
                gang.send("HELLO", {**gang.members, "instance": gang.instance, "holding": []})
                state["said"] = now
            elif gang.worker and now > state["said"] + 0.1:
                gang.heartbeat()
                if gang.attempt:
                    gang.commit()
                state["said"] = now
            message = gang.receive(0.02)
            if message:
                self.take(gang, *message[:2])

    def take(self, gang, kind, body):
        if kind == "WELCOME":
            gang.worker = body["worker"]
        elif kind == "AGAIN":
            gang.worker = None
        elif kind == "TASK":
            gang.attempt = {key: body[key] for key in ("job", "task", "attempt")}
            gang.commit()
        elif kind == "VERDICT" and gang.attempt and body["task"] == gang.attempt["task"]:
            if body["verdict"] == "committed":
                self.committed.append((body["task"], body["attempt"]))
            gang.attempt = None
        elif kind == "STOP" and body["why"] == "fenced":
            gang.attempt = None

    def end(self):
        self.stopping.set()
        self.join()


def state_of(server, job):
    try:
        return server.request("GET", f"/v1/jobs/{job}")[1]
    except (OSError, http.client.HTTPException):
        return {"state": "unknown"}


@pytest.mark.parametrize("point", ["dispatch_before_send", "dispatch_after_send", "dispatch_before_commit",
                                   "dispatch_after_commit"])
@pytest.mark.parametrize("nth", [1, 4, 7])
def test_a_killed_server_loses_and_doubles_nothing(server, point, nth):
    server.start(FF_CRASH_AT=f"{point}:{nth}")
    worker = Worker(server)
    worker.start()
    job = server.submit("a key", count=5)

    def done():
        if server.process.poll() is not None:
            server.start()
        return state_of(server, job)["state"] == "succeeded"

    server.wait(done, "the job's end")
    worker.end()
    assert server.deaths == [137]
    tasks = server.request("GET", f"/v1/jobs/{job}")[1]["tasks"]
    assert [task["state"] for task in tasks] == ["succeeded"] * 5
    assert len({name for name, _ in worker.committed}) == len(worker.committed), "a task was committed twice"


def test_a_server_that_slept_blames_no_gang(server):
    server.start()
    job = server.submit("a key", count=1)
    with local_gang(server.endpoint(), server.data) as gang:
        gang.hello()
        task = gang.take_task()
        gang.heartbeat()
        os.kill(server.process.pid, signal.SIGSTOP)
        time.sleep(3)
        os.kill(server.process.pid, signal.SIGCONT)
        for _ in range(10):
            gang.heartbeat()
            time.sleep(0.1)
        gang.commit()
        assert gang.verdict() == "committed"
    assert task["attempt"] == 1
    assert state_of(server, job)["state"] == "succeeded"


def test_a_gang_that_slept_is_fenced_and_its_task_done_by_another(server):
    server.start()
    job = server.submit("a key", count=1)
    with local_gang(server.endpoint(), server.data) as asleep, local_gang(server.endpoint(), server.data) as other:
        asleep.hello()
        asleep.take_task()
        other.hello()
        end, task = time.monotonic() + 20, None
        while task is None and time.monotonic() < end:  # `asleep` says nothing all the while
            other.heartbeat(0)
            task = other.wait_for("TASK", 0.1)
        assert task["job"] == job and task["attempt"] == 2
        asleep.commit()
        if asleep.wait_for("AGAIN", 2) is not None:
            asleep.hello([asleep.attempt])
        asleep.commit()
        assert asleep.verdict() == "stale"
        other.attempt = {key: task[key] for key in ("job", "task", "attempt")}
        other.commit()
        assert other.verdict() == "committed"
    assert state_of(server, job)["state"] == "succeeded"
