"""The server is killed, stopped, or replaced by a newer one."""
import hashlib
import re
import shutil
import sqlite3
import time

import fakegang
from house import LEASE_S, NO_ANSWER, ROOT, alive, until
from jobs import noop
from scenarios import row

# Passes at which the server dies: later than those that a long task, given out before, takes to begin.
PASSES = {"queue_submitted": (3, 9), "queue_before_commit": (25, 35), "queue_after_commit": (25, 35),
          "queue_leased": (3, 9), "queue_committed_task": (1, 5), "http_submitted": (3, 9),
          "dispatch_before_commit": (60, 90), "dispatch_after_commit": (60, 90)}


def submit_until_it_dies(house, most=2000):
    """Ids of the jobs that were acknowledged, and keys of those that were not."""
    acknowledged, unknown = {}, []
    for i in range(most):
        if house.server.ended():
            break
        key = f"key-{i}"
        try:
            reply = house.try_submit(noop(), key)
            acknowledged[key] = reply.json()["id"]
            assert reply.status == 202, reply
        except NO_ANSWER:
            unknown.append(key)
    until(house.server.ended, 5, "the server reaches its crash point")
    assert house.server.wait() == 137
    return acknowledged, unknown


@row(1)
def server_killed_at_commit_points(world):
    """kill -9 server at each commit point"""
    for point in PASSES:
        with world.house(start=False) as house:
            house.start(environment={"FF_CRASH_AT": f"{point}:{world.random.randint(*PASSES[point])}"})
            house.gang()
            house.gang()
            house.wait_for_gangs(2)
            long = house.submit(noop(1, 1.5))
            house.wait_for_progress(long)
            acknowledged, unknown = submit_until_it_dies(house)
            house.start()
            assert house.start_s < 5, f"{point}: the start took {house.start_s} s"
            for key, job in acknowledged.items():
                house.succeed(job)
                assert house.try_submit(noop(), key).json()["id"] == job
            for key in unknown:
                house.succeed(house.submit(noop(), key))
            house.succeed(long)
            assert house.attempts(long) == {"noop-0": 1}, f"{point}: a running task was begun again"
            assert all(not gang.ended() for gang in house.gangs), "a gang ended with the server"


@row(2)
def server_killed_between_dispatch_and_ack(world):
    """kill -9 server between dispatch and ack"""
    for point, number in (("dispatch_after_send", 2), ("dispatch_before_send", 2), ("dispatch_after_send", 3)):
        with world.house(start=False) as house:
            house.start(environment={"FF_CRASH_AT": f"{point}:{number}"})
            house.gang()
            house.wait_for_gangs(1)  # the first message: WELCOME; the second: TASK
            job = house.submit(noop(1, 0.3))
            until(house.server.ended, 5, "the server reaches its crash point")
            house.start()
            house.succeed(job)
            assert house.attempts(job)["noop-0"] <= 2


def commit_without_verdict(house, gang, outcome):
    """The gang's task ends with this outcome, and the server is killed before the gang hears of it."""
    gang.take_task()
    attempt = dict(gang.attempt)
    gang.commit(outcome, reason="drain", files=[])
    assert gang.verdict() == "committed"  # and is taken for lost
    house.kill_server()
    house.start()
    return attempt


def wait_for_task(gang):
    """As take_task, for longer than a server thinks a gang alive that does not beat."""
    end = time.monotonic() + 5 * LEASE_S
    while time.monotonic() < end:
        gang.heartbeat()
        message = gang.receive(0.1)
        if message and message[0] == "TASK":
            gang.attempt = {key: message[1][key] for key in ("job", "task", "attempt")}
            return
    raise AssertionError("no task for an idle gang")


def offer_again(gang, attempt, outcome):
    """It comes back with the attempt: it is never told to throw its files away, and hears the verdict."""
    gang.attempt = attempt
    gang.hello([attempt])
    for _ in range(3):
        gang.heartbeat()
        message = gang.receive(0.1)
        assert message is None or message[0] not in ("STOP", "TASK"), message
    gang.commit(outcome, reason="drain", files=[])
    assert gang.verdict() == "committed"


@row(36)
def verdict_lost(world):
    """kill -9 server between commit and verdict"""
    for outcome in ("succeeded", "released"):
        with world.house() as house:
            with fakegang.local_gang(house.endpoint(), house.data) as gang:
                gang.hello()
                job = house.submit(noop())
                attempt = commit_without_verdict(house, gang, outcome)
                with fakegang.local_gang(house.endpoint(), house.data) as other:
                    other.hello()
                    if outcome == "released":  # somebody goes on from its files meanwhile
                        wait_for_task(other)
                    offer_again(gang, attempt, outcome)
                    if outcome == "released":
                        other.commit(files=[])
                        assert other.verdict() == "committed"
            house.succeed(job)


@row(6)
def server_stopped_for_a_while(world):
    """server SIGSTOP for several leases"""
    with world.house(gangs=2) as house:
        jobs = [house.submit(noop(1, 2.0)) for _ in range(2)]
        for job in jobs:
            house.wait_for_progress(job)
        house.server.signal(19)
        time.sleep(4 * LEASE_S)  # the fault itself
        house.server.signal(18)
        for job in jobs:
            house.succeed(job, 10)
            assert house.attempts(job) == {"noop-0": 1}, "work was lost"
        words = [gang.words() for gang in house.gangs]
        assert all(text.count("begun") == 1 for text in words), words


def checksum(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def schema(path):
    connection = sqlite3.connect(path)
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    connection.close()
    return version


def back_to_schema_1(path):
    """As the server of before the second migration left it, with the first one's own triggers."""
    (first,) = (ROOT / "migrations").glob("0001*.sql")
    triggers = re.findall(r"^CREATE TRIGGER results_\w+ .*?^END;", first.read_text(encoding="ascii"), re.M | re.S)
    connection = sqlite3.connect(path)
    if schema(path) >= 3:
        connection.executescript("DROP TRIGGER results_insert; DROP TRIGGER results_delete;"
                                 "ALTER TABLE results DROP COLUMN chunk_bytes;" + "\n".join(triggers))
    connection.executescript("DROP TABLE IF EXISTS workers; PRAGMA user_version = 1;")
    connection.close()


@row(28)
def server_upgraded_while_jobs_run(world):
    """server upgraded while jobs run"""
    with world.house(gangs=1) as house:
        database = house.data / "fullfield.db"
        newest = schema(database)
        running, waiting = house.submit(noop(1, 2.5)), house.submit(noop())
        house.wait_for_progress(running)
        for crash in ("migrate_before_commit:1", "migrate_after_commit:1"):
            house.kill_server()
            back_to_schema_1(database)
            server = house.start(environment={"FF_CRASH_AT": crash}, wait=False)
            assert server.wait() == 137, server.words()
            assert 1 <= schema(database) <= newest
        house.start()
        assert schema(database) == newest
        house.succeed(running)
        house.succeed(waiting)
        assert house.attempts(running) == {"noop-0": 1}, "the running attempt was not taken up"
        assert alive(house.gangs[0].pid)
    with world.house() as house:  # and an older one does not touch what a newer one wrote
        house.stop_server()
        database = house.data / "fullfield.db"
        shutil.copy(database, house.folder / "copy")
        connection = sqlite3.connect(database)
        connection.execute("PRAGMA user_version = 99")
        connection.close()
        before = checksum(database)
        server = house.start(wait=False)
        assert server.wait() == 10, server.words()
        assert "99" in server.words() and str(newest) in server.words(), server.words()
        assert checksum(database) == before
        shutil.copy(house.folder / "copy", database)
