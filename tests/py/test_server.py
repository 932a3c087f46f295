"""ffserver as an operator meets it: options, the data folder, backup and restore, gangs that outlive a server."""
import json
import os
import pathlib
import signal
import sqlite3
import stat
import subprocess
import time

import pytest
import requests

from conftest import folder

ROOT = pathlib.Path(__file__).parents[2]
SERVER, WORKER = (folder("FF_BIN", "build/bin") / name for name in ("ffserver", "ffworker"))


def wait_for(what, seconds=20):
    """The first true value of `what()`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"not within {seconds} s: {what}")


class House:
    """A data folder and the servers started on it; every process is ended by its own pid."""

    def __init__(self, folder):
        self.data = folder / "d"
        self.processes = []

    def start(self, *options):
        (self.data / "server.address").unlink(missing_ok=True)
        command = [SERVER, "--data", self.data, "--listen", "127.0.0.1:0", "--heartbeat-ms", "200",
                   "--lease-ms", "1000", "--test-kinds", "--log-file", self.data.parent / "server.log", *options]
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                                  text=True, env=os.environ | {"FF_TEST_KINDS": "1"})
        self.processes.append(server)
        wait_for(lambda: (self.data / "server.address").exists() or server.poll() is not None)
        assert server.poll() is None, server.stderr.read()
        return server

    def call(self, method, path, **more):
        token = (self.data / "admin.token").read_text().strip()
        address = (self.data / "server.address").read_text().strip()
        headers = {"Authorization": f"Bearer {token}"}
        return requests.request(method, address + path, headers=headers, timeout=20, **more)

    def submit(self, **job):
        answer = self.call("POST", "/v1/jobs", json={"kind": "noop"} | job)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def state(self, job):
        return self.call("GET", f"/v1/jobs/{job}").json()["state"]

    def gangs(self):
        """Processes of gangs of this folder."""
        found = []
        for process in pathlib.Path("/proc").iterdir():
            try:
                words = (process / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0] == os.fsencode(WORKER) and os.fsencode(self.data / "worker.key") in words:
                found.append(int(process.name))
        return found

    def stop_all(self):
        for server in self.processes:
            if server.poll() is None:
                server.terminate()
        for server in self.processes:
            try:
                server.wait(15)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
            server.stderr.close()
        for pid in self.gangs():
            os.kill(pid, signal.SIGKILL)


@pytest.fixture
def house(tmp_path):
    house = House(tmp_path)
    yield house
    house.stop_all()


def run(*command):
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize("options, code, words", [
    ([], 2, "/data"),
    (["--data", "{d}", "--listen", "0.0.0.0:0"], 2, "--i-have-tls"),
    (["--data", "{d}", "--listen", "[::]:0"], 2, "--i-have-tls"),
    (["--data", "{d}", "--tls-cert", "c.pem"], 2, "belong together"),
    (["--data", "{d}", "--workers", "many"], 2, "number"),
    (["--data", "{d}", "--workers", "-1"], 2, "/workers"),
    (["--data", "{d}", "--lease-ms", "100"], 2, "/lease_ms"),
    (["--data", "{d}", "--config", "{d}/none.json"], 2, "none.json"),
    (["--data", "{d}", "--unknown"], 2, "--help"),
    (["--data", "{d}/a/b/c"], 2, "cannot make"),
    (["--data", "{d}", "--backup", "{d}/b.db"], 2, "no database"),
])
def test_bad_options_are_refused_before_anything_is_made(tmp_path, options, code, words):
    done = run(SERVER, *[o.replace("{d}", str(tmp_path / "d")) for o in options])
    assert done.returncode == code
    assert words in done.stderr
    assert not (tmp_path / "d" / "fullfield.db").exists()


def test_help_and_version(tmp_path):
    assert "--backup" in run(SERVER, "--help").stdout
    assert run(SERVER, "--version").stdout.startswith("ffserver ")


def test_first_start_makes_a_closed_folder_with_a_token_and_keys(house):
    house.start()
    assert stat.S_IMODE(house.data.stat().st_mode) == 0o700
    for name in ("admin.token", "server.key", "worker.key", "fullfield.db"):
        assert stat.S_IMODE((house.data / name).stat().st_mode) == 0o600, name
    assert list((house.data / "workers").glob("*.pub"))
    token = (house.data / "admin.token").read_text()
    assert house.call("GET", "/v1/users").status_code == 200
    house.processes[0].terminate()
    assert house.processes[0].wait(15) == 0
    assert token.strip() not in (house.data.parent / "server.log").read_text()
    house.start()
    assert (house.data / "admin.token").read_text() == token


def test_a_folder_has_one_server(house):
    house.start()
    began = time.monotonic()
    second = subprocess.Popen([SERVER, "--data", house.data, "--listen", "127.0.0.1:0"], stdin=subprocess.DEVNULL,
                              stderr=subprocess.PIPE, text=True)
    house.processes.append(second)
    time.sleep(0.5)
    assert second.poll() is None  # it waits: the first may be about to stop
    (house.data / "server.address").unlink()
    house.processes[0].terminate()
    wait_for(lambda: house.processes[0].poll() is not None)
    wait_for((house.data / "server.address").exists)
    assert second.poll() is None and house.call("GET", "/healthz").status_code == 200
    assert time.monotonic() - began < 25


def test_the_config_file_is_read_and_the_command_line_wins(house, tmp_path):
    config = tmp_path / "server.json"
    config.write_text(json.dumps({"workers": 1, "quotas": {"queued": 3}}))
    house.start("--config", config, "--workers", "0")
    jobs = [house.submit() for _ in range(3)]
    refused = house.call("POST", "/v1/jobs", json={"kind": "noop"})
    assert refused.status_code == 429 and "Retry-After" in refused.headers
    assert not house.gangs()
    assert all(house.state(job) == "queued" for job in jobs)
    log = (tmp_path / "server.log").read_text()
    assert "listens on" in log and " 429 " in log


def test_backup_and_restore(house, tmp_path):
    server = house.start()
    kept = house.submit(name="kept")
    backup = tmp_path / "backup.db"
    done = run(SERVER, "--data", house.data, "--backup", backup)  # while it runs
    assert done.returncode == 0, done.stderr
    lost = house.submit(name="lost")
    refused = run(SERVER, "--data", house.data, "--restore", backup)
    assert refused.returncode == 8 and "in use" in refused.stderr
    server.terminate()
    assert server.wait(15) == 0
    with open(house.data / "fullfield.db", "r+b") as file:  # damage
        file.seek(8192)
        file.write(b"\xff" * 8192)
    damaged = run(SERVER, "--data", house.data, "--listen", "127.0.0.1:0")
    assert damaged.returncode == 1
    assert "fullfield.db" in damaged.stderr and "restore" in damaged.stderr
    done = run(SERVER, "--data", house.data, "--restore", backup)
    assert done.returncode == 0, done.stderr
    assert list(house.data.glob("fullfield.db.before-*"))
    house.start("--workers", "1")
    wait_for(lambda: house.state(kept) == "succeeded")
    assert house.call("GET", f"/v1/jobs/{lost}").status_code == 404


def older_database(path):
    """A database as the build before had it, with rows in its log only; the connection, as a server holds it."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA wal_autocheckpoint=0")
    for script in ("migrations/0001_queue.sql", "tests/unit/queue/v1_rows.sql"):
        connection.executescript((ROOT / script).read_text())
    return connection


def test_a_backup_by_a_newer_build_leaves_the_database_of_a_running_server_alone(tmp_path):
    database, backup = tmp_path / "fullfield.db", tmp_path / "backup.db"
    connection = older_database(database)
    before = {path.name: path.read_bytes() for path in tmp_path.glob("fullfield.db*") if "shm" not in path.name}
    done = run(SERVER, "--data", tmp_path, "--backup", backup)
    assert done.returncode == 0, done.stderr
    assert {name: (tmp_path / name).read_bytes() for name in before} == before and len(before) == 2
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    count = "SELECT count(*) FROM jobs"
    with sqlite3.connect(backup) as copy:
        assert copy.execute("PRAGMA user_version").fetchone() == (1,)
        assert copy.execute(count).fetchone() == connection.execute(count).fetchone() > (0,)
    connection.execute("PRAGMA user_version=99")
    connection.commit()
    backup.unlink()
    done = run(SERVER, "--data", tmp_path, "--backup", backup)
    assert done.returncode == 10 and "schema 99" in done.stderr
    assert not list(tmp_path.glob("backup.db*"))
    connection.close()


def test_a_private_server_whose_parent_is_gone_does_not_start(tmp_path):
    gone = subprocess.Popen(["true"])
    gone.wait()
    options = ["--private", "--data", tmp_path / "d", "--listen", f"unix:{tmp_path}/s", "--parent"]
    done = run(SERVER, *options, str(gone.pid))
    assert done.returncode == 130 and f"process {gone.pid}" in done.stderr
    assert not (tmp_path / "d").exists()
    server = subprocess.Popen([SERVER, *options, str(os.getpid())], stdin=subprocess.DEVNULL)
    wait_for((tmp_path / "d" / "server.address").exists)
    server.terminate()
    assert server.wait(15) == 0


def test_a_lost_database_is_missed(house):
    server = house.start()
    server.terminate()
    assert server.wait(15) == 0
    (house.data / "fullfield.db").rename(house.data / "elsewhere.db")
    done = run(SERVER, "--data", house.data, "--listen", "127.0.0.1:0")
    assert done.returncode == 1 and "missing" in done.stderr and "--restore" in done.stderr
    assert not (house.data / "fullfield.db").exists()
    assert run(SERVER, "--data", house.data, "--restore", house.data / "elsewhere.db").returncode == 0
    house.start()


def test_a_restore_of_something_else_changes_nothing(house, tmp_path):
    server = house.start()
    job = house.submit()
    server.terminate()
    assert server.wait(15) == 0
    other = tmp_path / "other.db"
    other.write_bytes(os.urandom(20000))
    done = run(SERVER, "--data", house.data, "--restore", other)
    assert done.returncode == 1
    house.start()
    assert house.state(job) == "queued"


def test_a_gang_that_ends_is_started_again(house):
    house.start("--workers", "2")
    first = wait_for(lambda: len(house.gangs()) == 2 and house.gangs())
    os.kill(first[0], signal.SIGKILL)
    wait_for(lambda: len(house.gangs()) == 2 and first[0] not in house.gangs())
    job = house.submit(count=8)
    wait_for(lambda: house.state(job) == "succeeded")


def test_gangs_outlive_a_killed_server_and_are_found_again(house):
    server = house.start("--workers", "1")
    job = house.submit(count=1, sleep_s=3)
    wait_for(lambda: house.state(job) == "running")
    (gang,) = house.gangs()
    server.kill()
    server.wait()
    house.start("--workers", "1")
    wait_for(lambda: house.state(job) == "succeeded")
    assert house.gangs() == [gang]
    attempts = [task["attempt"] for task in house.call("GET", f"/v1/jobs/{job}").json()["tasks"]]
    assert attempts == [1]  # the same attempt went on


def test_sigterm_drains_the_gangs(house):
    server = house.start("--workers", "1")
    job = house.submit(count=1, sleep_s=30)
    wait_for(lambda: house.state(job) == "running")
    began = time.monotonic()
    server.terminate()
    assert server.wait(15) == 0
    assert time.monotonic() - began < 10
    assert not house.gangs()
    house.start()
    assert house.state(job) == "queued"


def test_new_keys_are_taken_at_sighup(house, tmp_path):
    server = house.start("--dispatch", "tcp://127.0.0.1:*")
    assert run(WORKER, "--make-key", tmp_path / "gang").returncode == 0
    assert stat.S_IMODE((tmp_path / "gang.key").stat().st_mode) == 0o600
    assert run(WORKER, "--make-key", tmp_path / "gang").returncode == 2  # never over an old one
    (house.data / "workers" / "node.pub").write_text((tmp_path / "gang.pub").read_text())
    server.send_signal(signal.SIGHUP)
    address = (house.data / "dispatch.address").read_text().strip()
    gang = subprocess.Popen([WORKER, "--connect", address, "--server-key", house.data / "server.pub", "--key",
                             tmp_path / "gang.key", "--scratch", tmp_path / "scratch", "--threads", "1"],
                            stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                            env=os.environ | {"FF_TEST_KINDS": "1"})
    try:
        job = house.submit(count=3)
        wait_for(lambda: house.state(job) == "succeeded")
    finally:
        gang.terminate()
        assert gang.wait(20) == 0
