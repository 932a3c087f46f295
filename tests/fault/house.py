"""A server with its gangs in a temporary folder, for tests that hurt it: started, killed, cut off, made to fail.

    with House(build) as house:
        house.start()
        house.gang()
        job = house.submit({"kind": "noop", "count": 1})
        assert house.wait(job)["state"] == "succeeded"

Leases are a second long, heartbeats a fifth. Every process is ended by its own id when the house is left.
"""
import http.client
import json
import mmap
import os
import pathlib
import resource
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import time

HEARTBEAT_MS, LEASE_MS = 200, 1000
LEASE_S = LEASE_MS / 1000
IDLE_S = 5  # a server closes connections that say nothing for longer than its deadline
TERMINAL = {"succeeded", "failed", "crashed", "cancelled"}
ROOT = pathlib.Path(__file__).resolve().parents[2]
MPI = {"OMPI_ALLOW_RUN_AS_ROOT": "1", "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1", "OMPI_MCA_rmaps_base_oversubscribe": "1",
       "OMPI_MCA_mpi_yield_when_idle": "1"}


class Late(AssertionError):
    """What was waited for did not come in time."""


def until(condition, seconds, what):
    """The first true value of condition(), asked again and again; Late after so many seconds."""
    end = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise Late(f"not within {seconds} s: {what}")
        time.sleep(0.005)


# ---- processes ----


def fds(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


def memory(pid):
    """Resident bytes."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()


def parents():
    """{process: its parent}, of all there are."""
    found = {}
    for name in os.listdir("/proc"):
        try:
            with open(f"/proc/{name}/stat", encoding="ascii", errors="replace") as file:
                found[int(name)] = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
    return found


def descendants(pid):
    tree, found = parents(), [pid]
    for parent in found:
        found += [child for child, above in tree.items() if above == parent]
    return found[1:]


def environment_of(pid):
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:
            return dict(item.split(b"=", 1) for item in file.read().split(b"\0") if b"=" in item)
    except OSError:
        return {}


def alive(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


class Program:
    """A process with its words in a file."""

    def __init__(self, command, log, environment=None, limits=None):
        self.log = pathlib.Path(log)

        def prepare():
            for what, value in (limits or {}).items():
                resource.setrlimit(what, (value, value))

        with open(self.log, "ab") as words:
            self.process = subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=words,
                                            stderr=words, env={**os.environ, **(environment or {})},
                                            preexec_fn=prepare if limits else None)
        self.pid = self.process.pid

    def words(self):
        return self.log.read_text(errors="replace")

    def ended(self):
        return self.process.poll() is not None

    def wait(self, seconds=20):
        """Exit status; that of the shell where a signal ended it."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Late(f"{self.process.args[0]} did not end in {seconds} s") from None
        return status if status >= 0 else 128 - status

    def signal(self, number):
        if not self.ended():
            self.process.send_signal(number)

    def kill(self):
        """At once, with all that it started."""
        below = descendants(self.pid) if not self.ended() else []
        self.signal(signal.SIGKILL)
        self.process.wait()
        for pid in below:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def stop(self, seconds=30):
        self.signal(signal.SIGTERM)
        return self.wait(seconds)

    def rank(self, number):
        """Process of a rank, where this is mpirun."""
        wanted = str(number).encode()
        return until(lambda: [pid for pid in descendants(self.pid)
                              if environment_of(pid).get(b"OMPI_COMM_WORLD_RANK") == wanted], 20, f"rank {number}")[0]


# ---- what the shim does ----


class Shim:
    """Makes calls of a process fail, while it runs (shim.c). One for each process."""

    WRITE, SYNC, RENAME, OPEN = 1, 2, 4, 8
    FIELDS = ("clock_s", "malloc_n", "malloc_hits", "mask", "code", "skip", "count", "hits")
    SIZE = 8 * len(FIELDS) + 192

    def __init__(self, library, path):
        self.library, self.path = library, path
        path.write_bytes(bytes(self.SIZE))
        with open(path, "r+b") as file:
            self.page = mmap.mmap(file.fileno(), self.SIZE)

    def environment(self):
        return {"LD_PRELOAD": str(self.library), "FF_SHIM_CONTROL": str(self.path)}

    def set(self, **members):
        for name, value in members.items():
            struct.pack_into("<q", self.page, 8 * self.FIELDS.index(name), value)

    def get(self, name):
        return struct.unpack_from("<q", self.page, 8 * self.FIELDS.index(name))[0]

    def fail(self, mask, pattern, code, skip=0, count=-1):
        """Calls of these kinds about paths with `pattern` in them fail, after `skip` that pass; count < 0: all."""
        self.set(mask=0)
        text = pattern.encode()
        self.page[8 * len(self.FIELDS):] = text + bytes(192 - len(text))
        self.set(code=code, skip=skip, count=count, hits=0)
        self.set(mask=mask)

    def heal(self):
        self.set(mask=0, malloc_n=0)


def build_shim(build):
    """Path of the compiled shim, made when it is older than its source."""
    library, source = pathlib.Path(build) / "fault" / "shim.so", ROOT / "tests/fault/shim.c"
    if not library.exists() or library.stat().st_mtime < source.stat().st_mtime:
        library.parent.mkdir(parents=True, exist_ok=True)
        part = library.with_suffix(f".{os.getpid()}")
        subprocess.run(["gcc", "-std=c17", "-Wall", "-Wextra", "-Werror", "-O2", "-fPIC", "-shared", "-I", ROOT, "-o",
                        part, source, "-ldl"], check=True, cwd=ROOT)
        part.rename(library)
    return library


# ---- HTTP ----


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        return json.loads(self.body)

    def problem(self):
        """Slug of the error that this answer is."""
        assert self.headers.get("content-type", "").startswith("application/problem+json"), (self.status, self.body)
        return self.json()["type"].rpartition(":")[2]

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


class Client:
    """One connection at a time; a new one where the last was closed."""

    def __init__(self, host, port, token, timeout=15):
        self.host, self.port, self.token, self.timeout = host, port, token, timeout
        self.connection, self.used = None, 0.0

    def close(self):
        if self.connection:
            self.connection.close()
        self.connection = None

    def call(self, method, path, body=None, headers=None, timeout=None):
        if time.monotonic() - self.used > IDLE_S:
            self.close()
        if self.connection is None:
            self.connection = http.client.HTTPConnection(self.host, self.port, timeout=timeout or self.timeout)
        head = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        if isinstance(body, (dict, list)):
            body, head = json.dumps(body), {"Content-Type": "application/json", **head}
        try:
            self.connection.request(method, path, body=body, headers=head)
            answer = self.connection.getresponse()
            data = answer.read()
            self.used = time.monotonic()
        except (OSError, http.client.HTTPException):
            self.close()
            raise
        if answer.will_close:
            self.close()
        return Reply(answer.status, {name.lower(): value for name, value in answer.getheaders()}, data)

    def get(self, path, **rest):
        return self.call("GET", path, **rest)

    def post(self, path, body=None, **rest):
        return self.call("POST", path, body, **rest)

    def delete(self, path, **rest):
        return self.call("DELETE", path, **rest)


NO_ANSWER = (OSError, http.client.HTTPException)


class Stream:
    """Server-sent events of a job, read one by one; `last`: the number of the last one that came."""

    def __init__(self, client, job, after=None, timeout=30):
        self.connection = http.client.HTTPConnection(client.host, client.port, timeout=timeout)
        headers = {"Authorization": f"Bearer {client.token}"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        self.connection.request("GET", f"/v1/jobs/{job}/events", headers=headers)
        self.answer = self.connection.getresponse()
        self.status, self.last = self.answer.status, after or 0

    def __iter__(self):
        number = data = None
        for raw in self.answer:
            line = raw.decode().rstrip("\n")
            if line.startswith("id:"):
                number = int(line[3:])
            elif line.startswith("data:"):
                data = line[5:].strip()
            elif not line:
                if number is not None and data:
                    self.last = number
                    yield json.loads(data)
                number = data = None

    def close(self):
        self.connection.close()


# ---- the house ----


class House:
    """options: of ffserver, for every start. keep: the folder stays when the house is left."""

    def __init__(self, build, name="house", options=(), keep=False):
        self.build, self.name, self.keep = pathlib.Path(build).resolve(), name, keep
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="ff-"))
        self.data = self.folder / "d"
        self.options = list(options)
        self.server = self.last_client = None
        self.gangs, self.others, self.closers = [], [], []
        self.starts = self.ngangs = self.nshims = 0
        self.start_s = 0.0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for close in reversed(self.closers):
            close()
        for program in self.gangs + self.others + ([self.server] if self.server else []):
            program.signal(signal.SIGCONT)
            program.kill()
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

    # ---- server ----

    def command(self, *options):
        return [self.build / "bin" / "ffserver", "--data", self.data, "--listen", "127.0.0.1:0", "--test-kinds",
                "--heartbeat-ms", HEARTBEAT_MS, "--lease-ms", LEASE_MS, "--checkpoint-s", 0.1, "--reserve-mib", 1,
                "--keep-free-mib", 1, "--threads", 4, "--drain-s", 5, *self.options, *options]

    def start(self, *options, environment=None, shim=None, limits=None, wait=True, seconds=10):
        """Starts the server; waits until it serves, unless told not to."""
        (self.data / "server.address").unlink(missing_ok=True)
        self.starts += 1
        begun = time.monotonic()
        self.server = Program(self.command(*options), self.folder / f"server{self.starts}.log",
                              {**(environment or {}), **(shim.environment() if shim else {})}, limits)
        if wait:
            self.wait_for_server(seconds)
            self.start_s = time.monotonic() - begun
        return self.server

    def wait_for_server(self, seconds=10):
        def ready():
            if self.server.ended():
                raise AssertionError(f"ffserver ended with {self.server.wait()}: {self.server.words()[-1500:]}")
            return (self.data / "server.address").exists()

        until(ready, seconds, "ffserver serves")

    def address(self):
        text = (self.data / "server.address").read_text(encoding="ascii").strip()
        host, port = text.removeprefix("http://").rsplit(":", 1)
        return host, int(port)

    def token(self):
        return (self.data / "admin.token").read_text(encoding="ascii").strip()

    def client(self, token=None, timeout=15):
        host, port = self.address()
        return Client(host, port, token or self.token(), timeout)

    @property
    def api(self):
        """A client of the server that runs now."""
        host, port = self.address()
        if self.last_client is None or (self.last_client.host, self.last_client.port) != (host, port):
            self.last_client = self.client()
        return self.last_client

    def kill_server(self):
        self.server.kill()
        self.last_client = None

    def stop_server(self, seconds=30):
        status = self.server.stop(seconds)
        self.last_client = None
        return status

    def socket(self, timeout=15):
        return socket.create_connection(self.address(), timeout=timeout)

    def server_words(self):
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob("server*.log")))

    # ---- gangs ----

    def shim(self):
        self.nshims += 1
        return Shim(build_shim(self.build), self.folder / f"shim{self.nshims}")

    def endpoint(self):
        """Where gangs connect: the local socket, the same for every server of this house."""
        return f"ipc://{self.data}/dispatch"

    def remote_endpoint(self):
        """The address that --dispatch gave."""
        return (self.data / "dispatch.address").read_text(encoding="ascii").strip()

    def gang(self, *options, environment=None, shim=None, ranks=1, endpoint=None, shared=True):
        self.ngangs += 1
        name = f"gang{self.ngangs}"
        prefix = [shutil.which("mpirun"), "-n", ranks, "--oversubscribe"] if ranks > 1 else []
        where = ["--store", self.data / "store"] if shared else []
        command = [*prefix, self.build / "bin" / "ffworker", "--connect", endpoint or self.endpoint(), "--server-key",
                   self.data / "server.pub", "--key", self.data / "worker.key", "--threads", 1, "--name", name,
                   "--scratch", self.folder, *where, *options]
        gang = Program(command, self.folder / f"{name}.log",
                       {**(MPI if ranks > 1 else {}), "FF_TEST_KINDS": "1", "OMP_WAIT_POLICY": "passive",
                        **(environment or {}), **(shim.environment() if shim else {})})
        gang.name = name
        self.gangs.append(gang)
        return gang

    def workers(self):
        return self.api.get("/v1/workers").json()["workers"]

    def wait_for_gangs(self, n, seconds=15):
        until(lambda: sum(worker["state"] in ("idle", "busy") for worker in self.workers()) >= n, seconds,
              f"{n} gangs have joined")

    # ---- jobs ----

    def try_submit(self, job, key=None, client=None):
        headers = {"Idempotency-Key": key} if key else {}
        return (client or self.api).post("/v1/jobs", job, headers=headers)

    def submit(self, job, key=None):
        reply = self.try_submit(job, key)
        assert reply.status == 202, reply
        return reply.json()["id"]

    def job(self, job):
        reply = self.api.get(f"/v1/jobs/{job}")
        assert reply.status == 200, reply
        return reply.json()

    def wait(self, job, seconds=30, states=TERMINAL):
        """The job, when it is in one of the states."""
        last = {}

        def there():
            last.update(self.job(job))
            return last["state"] in states

        try:
            until(there, seconds, f"job {job} is {' or '.join(sorted(states))}")
        except Late as late:
            raise Late(f"{late}; it is {last}") from None
        return last

    def succeed(self, job, seconds=30):
        found = self.wait(job, seconds)
        assert found["state"] == "succeeded", found
        return found

    def wait_for_progress(self, job, seconds=15, least=1):
        return until(lambda: (self.job(job).get("progress") or {}).get("done", 0) >= least, seconds,
                     f"progress of {job}")

    def attempts(self, job):
        """{task: its attempt}"""
        return {task["name"]: task["attempt"] for task in self.job(job)["tasks"]}

    def events(self, job):
        """All there are, from the database as the API tells them."""
        after, found = 0, []
        while True:
            reply = self.api.get(f"/v1/jobs/{job}/logs?after={after}")
            assert reply.status == 200, reply
            lines = [json.loads(line) for line in reply.body.splitlines() if line]
            if not lines:
                return found
            found += lines
            after = lines[-1]["seq"]

    def states(self, job, task=None):
        """[(state, reason, attempt)] of a task, or of the job itself, as its events tell."""
        return [(event["state"], event.get("reason") or "", event["attempt"]) for event in self.events(job)
                if event["type"] in ("state", "end") and event["task"] == task]

    def download(self, job):
        """Path of a file with the result's bytes."""
        reply = self.api.get(f"/v1/jobs/{job}/result")
        assert reply.status == 200, reply
        path = self.folder / f"{job}.h5"
        path.write_bytes(reply.body)
        return path

    def work(self, job, task, attempt):
        return self.data / "store" / "work" / job / f"{task}.{attempt}"
