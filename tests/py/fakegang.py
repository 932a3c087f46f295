"""A gang made of a socket, for tests: the gang's side of proto/wire.md, saying what a test tells it to say.

    gang = FakeGang(endpoint, server_public, secret)      # keys as text (Z85); read_key(FILE) reads one
    gang.hello(); task = gang.take_task(); gang.events([...]); gang.commit("succeeded"); gang.verdict()

As a program it does no-op tasks as fast as it can: fakegang.py ENDPOINT DATA_DIR [--tasks N] [--seconds S].
"""
import argparse
import json
import pathlib
import secrets
import struct
import time

import zmq

MAGIC, VERSION = b"FFW1", 1
HEAD = struct.Struct("<4sHHII")
TYPES = {"HELLO": 1, "HEARTBEAT": 2, "EVENTS": 3, "COMMIT": 4, "PUT": 5, "GET": 6, "BYE": 7, "WELCOME": 64,
         "REFUSED": 65, "TASK": 66, "TAKEN": 67, "VERDICT": 68, "STOP": 69, "STORED": 70, "CHUNK": 71, "AGAIN": 72}
NAMES = {number: name for name, number in TYPES.items()}


def encode(kind, body, blob=b"", version=VERSION):
    text = json.dumps(body, separators=(",", ":"), allow_nan=False).encode()
    return HEAD.pack(MAGIC, version, TYPES.get(kind, kind), len(text), len(blob)) + text + blob


def decode(frame):
    magic, version, kind, json_size, blob_size = HEAD.unpack_from(frame)
    if magic != MAGIC or version != VERSION or len(frame) != HEAD.size + json_size + blob_size:
        raise ValueError(f"not a message of version {VERSION}: {frame[:16]!r}")
    text = frame[HEAD.size:HEAD.size + json_size]
    return NAMES.get(kind, kind), json.loads(text), frame[HEAD.size + json_size:]


def read_key(path):
    return pathlib.Path(path).read_text(encoding="ascii").strip()


class Silence(AssertionError):
    """What was waited for did not come."""


class FakeGang:
    """One connection. `attempt` is the name of the last TASK: {"job","task","attempt"}."""

    def __init__(self, endpoint, server_public, secret, instance=None, **members):
        self.endpoint, self.server_public, self.secret = endpoint, server_public, secret
        self.instance = instance or secrets.token_hex(8)
        self.members = {"name": "fake", "build": "test", "cpu_class": "test", "backend": "cpu", "device": "",
                        "pool": "default", "ranks": 1, "threads": 1, "memory_bytes": 1e9, "gpu": False, **members}
        self.attempt = self.worker = None
        self.counter = self.sent = 0
        self.context, self.socket = zmq.Context(), None
        self.connect()

    def connect(self):
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        if self.server_public:
            self.socket.curve_serverkey = self.server_public.encode()
            self.socket.curve_secretkey = self.secret.encode()
            self.socket.curve_publickey = zmq.curve_public(self.secret.encode())
        self.socket.connect(self.endpoint)

    def reconnect(self):
        self.socket.close()
        self.connect()

    def close(self):
        self.socket.close()
        self.context.term()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, kind, body, blob=b""):
        self.socket.send(encode(kind, body, blob))

    def receive(self, timeout_s=10.0):
        """(type, body, blob) of the next message; None when none comes."""
        if not self.socket.poll(max(0, int(timeout_s * 1000))):
            return None
        return decode(self.socket.recv())

    def wait_for(self, kind, timeout_s=10.0):
        """Body of the next message of this type, others are dropped; None when none comes."""
        end = time.monotonic() + timeout_s
        while (left := end - time.monotonic()) > 0:
            message = self.receive(left)
            if message and message[0] == kind:
                return message[1]
        return None

    def expect(self, kind, timeout_s=10.0):
        body = self.wait_for(kind, timeout_s)
        if body is None:
            raise Silence(f"no {kind} within {timeout_s} s")
        return body

    def hello(self, holding=(), timeout_s=10.0):
        self.send("HELLO", {**self.members, "instance": self.instance, "holding": list(holding)})
        welcome = self.expect("WELCOME", timeout_s)
        self.worker = welcome["worker"]
        return welcome

    def heartbeat(self, progress=1, expect_next_ms=0):
        """progress: by how much the counter grew."""
        self.counter += progress
        beat = {**self.attempt, "counter": self.counter, "expect_next_ms": expect_next_ms} if self.attempt else None
        self.send("HEARTBEAT", {"holding": [beat] if beat else []})

    def take_task(self, timeout_s=10.0):
        task = self.expect("TASK", timeout_s)
        self.attempt = {key: task[key] for key in ("job", "task", "attempt")}
        self.counter = self.sent = 0
        return task

    def events(self, events, timeout_s=10.0):
        """Reports events and waits until they are durable."""
        self.send("EVENTS", {**self.attempt, "from": self.sent + 1, "events": events})
        self.sent += len(events)
        while self.expect("TAKEN", timeout_s)["upto"] < self.sent:
            continue

    def put(self, name, data, sha256, chunk=1 << 20):
        """Sends a file of the attempt."""
        offset = 0
        while offset < len(data):
            self.send("PUT", {**self.attempt, "name": name, "offset": offset, "size": len(data), "sha256": sha256},
                      data[offset:offset + chunk])
            offset = self.expect("STORED")["have"]

    def get(self, job, task, attempt, name):
        """A file that the task builds on."""
        data = b""
        while True:
            self.send("GET", {"job": job, "task": task, "attempt": attempt, "name": name, "offset": len(data)})
            kind = None
            while kind != "CHUNK":
                message = self.receive()
                if message is None:
                    raise Silence(f"no chunk of {name}")
                kind, body, blob = message
            data += blob
            if body["eof"]:
                return data

    def commit(self, outcome="succeeded", **members):
        self.send("COMMIT", {**self.attempt, "outcome": outcome, **members})

    def verdict(self, timeout_s=10.0):
        verdict = self.expect("VERDICT", timeout_s)["verdict"]
        self.attempt = None
        return verdict

    def bye(self, reason="drained"):
        self.send("BYE", {"reason": reason})


def local_gang(endpoint, data_dir, **members):
    """A gang with the keys that the server made for its own gangs."""
    folder = pathlib.Path(data_dir)
    token = folder / "token"
    if token.exists():
        members.setdefault("store_token", token.read_text(encoding="ascii").strip())
    return FakeGang(endpoint, read_key(folder / "server.pub"), read_key(folder / "worker.key"), **members)


def main():
    parser = argparse.ArgumentParser(description="does no-op tasks as fast as it can")
    parser.add_argument("endpoint")
    parser.add_argument("data_dir")
    parser.add_argument("--tasks", type=int, default=0, help="ends after so many (default: never)")
    parser.add_argument("--seconds", type=float, default=1e9)
    options = parser.parse_args()
    done, begun = 0, time.monotonic()
    with local_gang(options.endpoint, options.data_dir) as gang:
        gang.hello()
        beat = time.monotonic()
        while (not options.tasks or done < options.tasks) and time.monotonic() < begun + options.seconds:
            message = gang.receive(0.5)
            if time.monotonic() > beat + 1:
                beat = time.monotonic()
                gang.heartbeat()
            if message and message[0] == "TASK":
                gang.attempt = {key: message[1][key] for key in ("job", "task", "attempt")}
                gang.commit()
            elif message and message[0] == "VERDICT":
                done, gang.attempt = done + 1, None
            elif message and message[0] == "AGAIN":
                gang.hello([gang.attempt] if gang.attempt else [])
    print(f"{done} tasks, {done / (time.monotonic() - begun):.0f} a second")


if __name__ == "__main__":
    main()
