"""A server for one gang, by hand: the ROUTER end of proto/wire.md with CURVE, for tests of `ffworker --connect`.
What is named in `auto` is answered by itself while a test waits for something else; the rest is the test's to answer.

    with FakeServer(tmp_path) as server:
        gang = server.start_gang(ffworker)
        server.welcome()
        server.task("noop-0", {"kind": "noop", "count": 1})
        body, _ = server.expect("COMMIT")
"""
import hashlib
import json
import os
import pathlib
import struct
import subprocess
import time

import pytest

zmq = pytest.importorskip("zmq")
from zmq.auth.thread import ThreadAuthenticator  # noqa: E402 pylint: disable=wrong-import-position

VERSION = 1
TYPES = {"HELLO": 1, "HEARTBEAT": 2, "EVENTS": 3, "COMMIT": 4, "PUT": 5, "GET": 6, "BYE": 7, "WELCOME": 64,
         "REFUSED": 65, "TASK": 66, "TAKEN": 67, "VERDICT": 68, "STOP": 69, "STORED": 70, "CHUNK": 71, "AGAIN": 72}
NAMES = {number: name for name, number in TYPES.items()}
JOB = "job_" + "a" * 26
WORKER = "wk_" + "w" * 26
NOOP = {"kind": "noop", "count": 4}
LONG = {**NOOP, "sleep_s": 60}


def encode(kind, body, blob=b"", version=VERSION):
    text = json.dumps(body, separators=(",", ":")).encode()
    return struct.pack("<4sHHII", b"FFW1", version, TYPES[kind], len(text), len(blob)) + text + blob


def decode(frame):
    magic, version, kind, n_json, n_blob = struct.unpack("<4sHHII", frame[:16])
    assert magic == b"FFW1" and version == VERSION and len(frame) == 16 + n_json + n_blob
    return NAMES[kind], json.loads(frame[16:16 + n_json]), frame[16 + n_json:]


def write_key(path, key, mode=0o600):
    path.write_bytes(key + b"\n")
    path.chmod(mode)
    return path


def attempt_of(body):
    return {key: body[key] for key in ("job", "task", "attempt")}


class Store:
    """Files that came by PUT and files to be had by GET, in memory."""

    def __init__(self):
        self.parts, self.files, self.inputs = {}, {}, {}

    def put(self, body, blob):
        key = (body["job"], body["task"], body["attempt"], body["name"])
        if key in self.files and hashlib.sha256(self.files[key]).hexdigest() == body["sha256"]:
            return body["size"]
        part = self.parts.setdefault(key, bytearray())
        if body["offset"] == len(part):
            part += blob
        if len(part) == body["size"]:
            data = bytes(self.parts.pop(key))
            if hashlib.sha256(data).hexdigest() != body["sha256"]:
                return 0
            self.files[key] = data
            return len(data)
        return len(part)

    def chunk(self, body, size):
        data = self.inputs[(body["job"], body["task"], body["attempt"], body["name"])]
        blob = data[body["offset"]:body["offset"] + size]
        return {**body, "size": len(data), "eof": body["offset"] + len(blob) == len(data)}, blob


class FakeServer:
    def __init__(self, folder, credit=1000, heartbeat_ms=100, store="", checkpoint_s=0.1, allow=True, chunk=1 << 18):
        self.folder = pathlib.Path(folder)
        self.welcome_body = {"worker": WORKER, "heartbeat_ms": heartbeat_ms, "lease_ms": 10 * heartbeat_ms,
                             "credit": credit, "store": store, "checkpoint_s": checkpoint_s, "protocol": VERSION}
        self.public, self.secret = zmq.curve_keypair()
        self.gang_public, self.gang_secret = zmq.curve_keypair()
        self.server_key = write_key(self.folder / "server.pub", self.public)
        self.gang_key = write_key(self.folder / "gang.key", self.gang_secret)
        self.allow = allow
        self.auto = {"EVENTS", "HEARTBEAT"}
        self.backlog, self.heartbeats, self.events, self.holding = [], [], [], None
        self.event_frames = []  # (from, how many) of each EVENTS message
        self.taken = 0
        self.files, self.chunk = Store(), chunk
        self.gangs = []
        self.port = None
        self.context = self.socket = self.authenticator = self.peer = None

    # ---- life ----

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        for gang in self.gangs:
            if gang.poll() is None:
                gang.kill()
            gang.wait()
        self.stop()

    def start(self):
        self.context = zmq.Context()
        keys = self.folder / "allowed"
        keys.mkdir(exist_ok=True)
        allowed = self.gang_public if self.allow else zmq.curve_keypair()[0]
        (keys / "gang.key").write_text(f'metadata\ncurve\n    public-key = "{allowed.decode()}"\n')
        self.authenticator = ThreadAuthenticator(self.context)
        self.authenticator.start()
        self.authenticator.configure_curve(domain="*", location=str(keys))
        self.socket = self.context.socket(zmq.ROUTER)
        self.socket.curve_server = True
        self.socket.curve_secretkey, self.socket.curve_publickey = self.secret, self.public
        self.socket.setsockopt(zmq.LINGER, 0)
        self.socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        if self.port:
            self.socket.bind(f"tcp://127.0.0.1:{self.port}")
        else:
            self.port = self.socket.bind_to_random_port("tcp://127.0.0.1")

    def stop(self):
        self.authenticator.stop()
        self.socket.close()
        self.context.term()

    def start_gang(self, ffworker, *options, environment=None, prefix=()):
        self.log = open(self.folder / "gang.log", "ab")  # pylint: disable=consider-using-with
        command = [*prefix, str(ffworker), "--connect", f"tcp://127.0.0.1:{self.port}", "--server-key",
                   str(self.server_key), "--key", str(self.gang_key), "--threads", "1", "--scratch", str(self.folder),
                   *map(str, options)]
        gang = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                env={**os.environ, "FF_TEST_KINDS": "1", **(environment or {})})
        self.log.close()
        self.gangs.append(gang)
        return gang

    def words(self):
        return (self.folder / "gang.log").read_text()

    # ---- messages ----

    def send(self, kind, body, blob=b"", version=VERSION):
        try:
            self.socket.send_multipart([self.peer, encode(kind, body, blob, version)])
        except zmq.ZMQError as error:
            if error.errno != zmq.EHOSTUNREACH:  # the gang is gone: what a test looks at in its own way
                raise

    def receive(self, timeout_s):
        """The next message, or None; what `auto` names has been answered."""
        if not self.socket.poll(max(0, int(timeout_s * 1000))):
            return None
        self.peer, frame = self.socket.recv_multipart()
        kind, body, blob = decode(frame)
        if kind == "HEARTBEAT":
            self.heartbeats.append((time.monotonic(), body))
        if kind == "HELLO":
            self.holding = body.get("holding", [])
        if kind == "EVENTS":
            self.take_events(body)
        if kind in self.auto:
            self.answer(kind, body, blob)
        return kind, body, blob

    def take_events(self, body):
        self.event_frames.append((body["from"], len(body["events"])))
        for number, event in enumerate(body["events"], body["from"]):
            if number == len(self.events) + 1:
                self.events.append(event)
            else:
                assert number <= len(self.events), "a gap in the numbers of events"

    def answer(self, kind, body, blob):
        if kind == "EVENTS":
            self.send("TAKEN", {**attempt_of(body), "upto": body["from"] + len(body["events"]) - 1})
        elif kind == "COMMIT":
            self.send("VERDICT", {**attempt_of(body), "verdict": "committed"})
        elif kind == "HELLO":
            self.send("WELCOME", self.welcome_body)
        elif kind == "PUT":
            self.send("STORED", {**attempt_of(body), "name": body["name"], "have": self.files.put(body, blob)})
        elif kind == "GET":
            self.send("CHUNK", *self.files.chunk(body, self.chunk))

    def expect(self, kind, timeout_s=10, where=lambda body: True):
        """The next message of this kind for which `where` holds."""
        for i, (got, body, blob) in enumerate(self.backlog):
            if got == kind and where(body):
                del self.backlog[i]
                return body, blob
        end = time.monotonic() + timeout_s
        while time.monotonic() < end:
            message = self.receive(end - time.monotonic())
            if message and message[0] == kind and where(message[1]):
                return message[1], message[2]
            if message and message[0] not in self.auto:
                self.backlog.append(message)
        raise AssertionError(f"no {kind} within {timeout_s} s; the gang says:\n{self.words()}")

    def quiet(self, kind, seconds):
        """No message of this kind comes for so long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            message = self.receive(end - time.monotonic())
            assert not message or message[0] != kind, f"an unexpected {kind}: {message[1]}"

    def drain(self):
        """Forgets what has come so far."""
        self.backlog.clear()
        while self.receive(0):
            pass

    def welcome(self):
        hello, _ = self.expect("HELLO")
        self.send("WELCOME", self.welcome_body)
        return hello

    def task(self, name, spec, attempt=1, job=JOB, **more):
        number = name.rpartition("-")[2]
        body = {"job": job, "task": name, "attempt": attempt, "count": 1,
                "first": int(number) if number.isdigit() else 0,
                "kind": spec["kind"], "spec": spec, "state": {}, "inputs": {}, "resume": 0, "extend": None,
                "datasets": [], "files": [], "memory_bytes": 0, "walltime_s": 0, **more}
        self.events.clear()
        self.event_frames.clear()
        self.send("TASK", body)
        return {"job": job, "task": name, "attempt": attempt}

    def commit(self, verdict="committed", timeout_s=10):
        body, _ = self.expect("COMMIT", timeout_s)
        self.send("VERDICT", {**attempt_of(body), "verdict": verdict})
        return body


def ended(gang, timeout_s=10):
    return gang.wait(timeout_s)


def wait_until(what, timeout_s=10):
    end = time.monotonic() + timeout_s
    while not what():
        assert time.monotonic() < end, f"not within {timeout_s} s"
        time.sleep(0.02)


@pytest.fixture
def server(tmp_path):
    with FakeServer(tmp_path) as fake:
        yield fake


@pytest.fixture
def calm(tmp_path):
    """A server with few heartbeats: its silence is nothing for six seconds."""
    with FakeServer(tmp_path, heartbeat_ms=2000) as fake:
        yield fake


@pytest.fixture
def shared(tmp_path):
    """A server whose store the gang sees."""
    store = tmp_path / "store"
    store.mkdir()
    (store / "token").write_text("f" * 64 + "\n")
    with FakeServer(tmp_path, store=str(store)) as fake:
        fake.store = store
        yield fake


def begin(server, ffworker, spec=None, *options, name="noop-0", environment=None, **more):
    """A welcomed gang; with a spec, one that was sent a task."""
    gang = server.start_gang(ffworker, *options, environment=environment)
    server.welcome()
    attempt = server.task(name, spec, **more) if spec else None
    return gang, attempt
