"""Gangs are killed, hang, are cut off, or are not what they say."""
import os
import shutil
import signal
import time

import fakegang
from house import LEASE_S, alive, descendants, until
from jobs import noop, posterior
from proxy import Proxy
from scenarios import Skip, row


def lost(house, job, task="noop-0"):
    """Did its user see that a gang was lost?"""
    return [state for state in house.states(job, task) if state[0] == "queued" and state[1] == "worker_lost"]


@row(3)
def gang_killed_mid_job(world):
    """kill -9 worker rank 0 mid job"""
    with world.house(gangs=1) as house:
        job = house.submit(noop(1, 1.5))
        house.wait_for_progress(job, least=40)
        house.gangs[0].kill()
        begun = time.monotonic()
        house.gang()
        until(lambda: lost(house, job), 3 * LEASE_S, "the job's user is told")
        told = time.monotonic() - begun
        found = house.succeed(job)
        assert found["id"] == job and house.attempts(job) == {"noop-0": 2}
        assert ("queued", "worker_lost", 1) in house.states(job, "noop-0")
        assert told < 2.5 * LEASE_S, f"the lease ended after {told:.1f} s"


def need_mpirun():
    if not shutil.which("mpirun"):
        raise Skip("mpirun is not installed")


@row(4)
def one_rank_killed(world):
    """kill -9 one MPI rank (not 0)"""
    need_mpirun()
    with world.house() as house:
        gang = house.gang(ranks=3)
        house.wait_for_gangs(1, 30)
        job = house.submit(noop(1, 1.5, resources={"ranks": 3}))
        house.wait_for_progress(job)
        ranks = descendants(gang.pid)
        begun = time.monotonic()
        os.kill(gang.rank(2), signal.SIGKILL)
        assert gang.wait(10) != 0
        until(lambda: not any(alive(pid) for pid in ranks), 5, "every rank has ended")
        world.note(f"the group ended {time.monotonic() - begun:.1f} s after its rank")
        house.gang(ranks=3)
        house.succeed(job, 40)
        assert house.attempts(job) == {"noop-0": 2} and lost(house, job)


@row(5)
def gang_hangs(world):
    """worker hangs in a kernel (no crash)"""
    need_mpirun()
    with world.house("--stuck-s", 1) as house:
        gang = house.gang(ranks=2)  # a rank that hangs
        house.wait_for_gangs(1, 30)
        job = house.submit(noop(1, 1.5, resources={"ranks": 2}))
        house.wait_for_progress(job)
        rank = gang.rank(1)
        os.kill(rank, signal.SIGSTOP)
        heard = house.workers()[0]
        until(lambda: lost(house, job), 10, "the task is taken back")
        assert house.workers()[0]["state"] != "gone", (heard, "its heartbeats go on")
        assert "stuck" in house.server_words()
        gang.kill()
        house.gang(ranks=2)
        house.succeed(job, 40)
        assert house.attempts(job) == {"noop-0": 2}
        assert any("stuck" in (event.get("message") or "") for event in house.events(job) if event["type"] == "log")
    with world.house("--stuck-s", 1) as house:  # a chain that hangs between two transitions
        house.gang("--first-step", 1, environment={"FF_SLEEP_AT": "transition:30"})
        house.wait_for_gangs(1)
        spec = posterior(draws=20, warmup=10, chains=1, npix=8)
        job = house.submit(spec)
        house.wait(job, states={"running"})
        house.gang()
        house.succeed(job, 40)
        assert lost(house, job, "chain-0")
        world.reference.check(house, job, spec)


def partition(world, how, rival):
    """A gang is cut off for two leases while it works; rival: another one is there to take its task."""
    with world.house("--dispatch", "tcp://127.0.0.1:*") as house:
        proxy = Proxy(house.remote_endpoint())
        house.closers.append(proxy.close)
        gang = house.gang(endpoint=proxy.endpoint)
        house.wait_for_gangs(1)
        job = house.submit(noop(1, 1.5))
        house.wait_for_progress(job)
        proxy.set(how)
        until(lambda: lost(house, job), 3 * LEASE_S, "the task is taken back")
        if rival:
            house.gang()
            until(lambda: house.attempts(job)["noop-0"] == 2, 5, "another gang has the task")
        else:
            time.sleep(LEASE_S)  # the gang comes to its end meanwhile
            assert house.job(job)["state"] == "queued" and not gang.ended()
        proxy.set("pass")
        house.succeed(job, 30)
        assert house.attempts(job) == {"noop-0": 2 if rival else 1}
        settled = "but it was another gang's by then" if rival else "committed"
        until(lambda: settled in gang.words() or (rival and "released" in gang.words()), 20, "the gang knows")
        assert gang.words().count("begun") == 1, gang.words()


@row(7)
def network_partition(world):
    """network partition worker-server"""
    for how in ("hold", "cut", "drop"):
        partition(world, how, rival=False)
    for how in ("hold", "cut"):
        partition(world, how, rival=True)


def sample(draw):
    return {"type": "sample", "chain": 0, "draw": draw, "warmup": False, "lp": -1.0, "parameters": {}, "stats": {}}


@row(8)
def messages_duplicated_and_reordered(world):
    """duplicated or reordered wire messages"""
    with world.house() as house:
        with fakegang.local_gang(house.endpoint(), house.data) as gang, \
                fakegang.local_gang(house.endpoint(), house.data) as other:
            gang.hello()
            job = house.submit(posterior(draws=9, warmup=0, chains=1))
            gang.take_task()
            first = dict(gang.attempt)
            for start, draws in ((1, range(3)), (1, range(3)), (7, range(6, 9)), (4, range(3, 6)), (2, range(1, 5)),
                                 (4, range(3, 9)), (1, range(9))):
                gang.send("EVENTS", {**first, "from": start, "events": [sample(draw) for draw in draws]})
            taken = [gang.expect("TAKEN")["upto"] for _ in range(7)]
            assert max(taken) == 9 and set(taken) <= {0, 3, 5, 6, 9}, taken  # early ones are answered before the first
            stale = {**first, "attempt": 7}
            gang.send("EVENTS", {**stale, "from": 1, "events": [sample(100)]})
            gang.send("COMMIT", {**stale, "outcome": "succeeded", "files": []})
            gang.send("COMMIT", {**first, "attempt": first["attempt"] + 1, "outcome": "failed", "files": []})
            for _ in range(2):
                assert gang.expect("VERDICT")["verdict"] == "stale"
            other.hello()
            other.send("COMMIT", {**first, "task": "reduce", "outcome": "succeeded", "files": []})
            assert other.expect("VERDICT")["verdict"] == "stale"
            for _ in range(3):
                gang.commit("released", reason="drain", files=[])
            assert gang.verdict() == "committed"
            until(lambda: house.attempts(job)["chain-0"] == 2, 5, "the task is given out again")
            gang.send("EVENTS", {**first, "from": 10, "events": [sample(10)]})
            gang.send("COMMIT", {**first, "outcome": "failed", "files": []})
            assert house.job(job)["state"] == "running"
            lines = house.api.get(f"/v1/jobs/{job}/samples").body.splitlines()
            assert len(lines) == 9, lines
        house.api.delete(f"/v1/jobs/{job}")
        house.wait(job)


@row(26)
def wrong_protocol_version(world):
    """worker with a wrong protocol version"""
    with world.house() as house:
        with fakegang.local_gang(house.endpoint(), house.data) as gang:
            hello = {**gang.members, "instance": gang.instance, "holding": []}
            gang.socket.send(fakegang.encode("HELLO", hello, version=9))
            refused = gang.expect("REFUSED")
            assert "9" in refused["detail"] and "1" in refused["detail"], refused
            assert refused["protocol"] == fakegang.VERSION
            job = house.submit(noop())
            assert gang.wait_for("TASK", 2 * LEASE_S) is None
            assert house.job(job)["state"] == "queued" and not house.workers()
        house.gang()
        house.succeed(job)


@row(27)
def same_gang_twice(world):
    """worker with the same id twice"""
    with world.house() as house:
        with fakegang.local_gang(house.endpoint(), house.data, instance="twin") as first, \
                fakegang.local_gang(house.endpoint(), house.data, instance="twin") as second:
            first.hello()
            job = house.submit(noop(2))
            first.take_task()
            second.send("HELLO", {**second.members, "instance": "twin", "holding": []})
            told = None
            end = time.monotonic() + 5 * LEASE_S
            while told is None and time.monotonic() < end:
                first.heartbeat()
                told = second.receive(0.1)
            assert told and told[0] == "REFUSED", told
            assert sum(worker["state"] != "gone" for worker in house.workers()) == 1
            assert second.wait_for("TASK", 0.3) is None
            for _ in range(2):
                first.commit(files=[])
                assert first.verdict() == "committed"
                if house.job(job)["state"] != "succeeded":
                    first.take_task()
            house.succeed(job)
