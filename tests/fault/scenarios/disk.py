"""The disk is full, fails, or gives back other bytes; folders go away."""
import errno
import time

import h5py

from house import Shim, until
from jobs import DRAWS, SIMULATE, noop, posterior
from scenarios import row

BACKOFF_S = 5  # until a task is tried again that could not go on where it was


def all_succeeded(house):
    return all(job["state"] == "succeeded" for job in house.api.get("/v1/jobs").json()["jobs"])


def refused_for_want_of_room(house):
    reply = house.try_submit(noop())
    if reply.status == 202:
        return None
    assert reply.status == 503 and reply.problem() == "disk-full", reply
    assert int(reply.headers["retry-after"]) > 0, reply.headers
    return reply


@row(9)
def disk_full_for_the_database(world):
    """disk full for SQLite"""
    with world.house(start=False) as house:
        shim = house.shim()
        house.start(shim=shim)
        house.gang()
        house.wait_for_gangs(1)
        running = house.submit(noop(1, 1.5))
        house.wait_for_progress(running)
        before = house.job(running)
        shim.fail(Shim.WRITE, "fullfield.db", errno.ENOSPC)
        for _ in range(5):
            assert refused_for_want_of_room(house), "a job was taken by a server that cannot write"
        assert shim.get("hits") > 0
        assert house.job(running)["state"] == "running" and house.api.get("/readyz").status == 503
        assert house.api.get("/healthz").status == 200
        time.sleep(1.5)  # the task comes to its end meanwhile, and cannot be committed
        listed = house.api.get("/v1/jobs").json()["jobs"]
        assert [job["id"] for job in listed] == [running] and listed[0]["state"] == "running"
        shim.heal()
        house.succeed(running)
        assert house.attempts(running) == {"noop-0": 1}, "its work was lost"
        assert house.job(running)["started"] == before["started"]
        until(lambda: not refused_for_want_of_room(house), 5, "jobs are taken again")
        house.succeed(house.submit(noop()))
        until(lambda: all_succeeded(house), 10, "all done")
    with world.house(start=False) as house:  # the same by a failing commit
        house.start(environment={"FF_FAIL_IO_AT": "12-40"})
        house.gang()
        taken = []
        for _ in range(60):
            reply = house.try_submit(noop())
            assert reply.status in (202, 503), reply
            if reply.status == 202:
                taken.append(reply.json()["id"])
            else:
                assert reply.problem() in ("disk-full", "io", "storage"), reply
        for job in taken:
            house.succeed(job)
        assert len(taken) >= 10


def tasks_with(house, job, reason):
    return [event for event in house.events(job) if event["type"] == "state" and event["state"] == "queued" and
            event.get("reason") == reason]


def nothing_half_written(house):
    found = [path for folder in ("results", "uploads", "datasets") for path in
             (house.data / "store" / folder).rglob("*.part")]
    assert not found, found


@row(10)
def disk_full_while_writing_a_result(world):
    """disk full while writing a result"""
    with world.house() as house:
        shims = [house.shim(), house.shim()]
        jobs = [(SIMULATE, "result.h5", "simulate"),
                (posterior(draws=30, warmup=20, chains=1, npix=8), "chain-0.", "chain-0")]
        for (spec, pattern, task), shim in zip(jobs, shims):
            gang = house.gang(shim=shim)
            house.wait_for_gangs(1)
            shim.fail(Shim.WRITE, pattern, errno.ENOSPC)
            job = house.submit(spec)
            until(lambda: tasks_with(house, job, "disk_full"), 15, f"{task} gives up for want of room")
            assert shim.get("hits") > 0
            found = house.job(job)
            assert found["state"] == "queued" and found["result"] is None, found
            assert house.api.get(f"/v1/jobs/{job}/result").status in (404, 409)
            nothing_half_written(house)
            shim.heal()
            house.succeed(job, BACKOFF_S + 15)
            assert house.attempts(job)[task] == 2
            world.reference.check(house, job, spec)
            gang.stop()


@row(11)
def sync_fails(world):
    """fsync/EIO on commit"""
    with world.house() as house:
        shim = house.shim()
        house.gang(shim=shim)
        house.wait_for_gangs(1)
        failed = []
        for passes in (0, 1):  # while the file is written, and when it is handed over
            shim.fail(Shim.SYNC, "result.h5", errno.EIO, skip=passes, count=1)
            spec = {**SIMULATE, "seed": passes + 1}
            job = house.submit(spec)
            until(lambda: tasks_with(house, job, "io"), 10, "the attempt fails")
            assert shim.get("hits") == 1
            failed.append((job, spec))
        for job, spec in failed:
            house.succeed(job, BACKOFF_S + 15)
            with h5py.File(house.work(job, "simulate", 1).with_name("simulate.failed.h5")) as kept:  # for a look at it
                assert "simulation" in kept, list(kept)
            world.reference.check(house, job, spec)
            assert house.attempts(job) == {"simulate": 2}
    with world.house(start=False) as house:  # and the server's own
        shim = house.shim()
        house.start(shim=shim)
        house.gang()
        house.wait_for_gangs(1)
        shim.fail(Shim.SYNC, "store/results", errno.EIO, count=1)
        job = house.submit(SIMULATE)
        house.succeed(job, BACKOFF_S + 15)
        assert shim.get("hits") == 1
        world.reference.check(house, job, SIMULATE)
        shim.fail(Shim.SYNC, "fullfield.db", errno.EIO, count=1)
        until(lambda: house.try_submit(noop()).status == 202, 5, "jobs are taken again")
        shim.fail(Shim.RENAME, ".h5", errno.EIO, count=1)
        job = house.submit(DRAWS)
        house.succeed(job, BACKOFF_S + 15)
        world.reference.check(house, job, DRAWS)
        until(lambda: all_succeeded(house), 10, "all done")


@row(16)
def result_bytes_changed(world):
    """result file bytes changed on disk"""
    with world.house(gangs=1, corrupt_allowed=True) as house:
        good, bad, gone = (house.submit({**SIMULATE, "seed": seed}) for seed in (1, 2, 3))
        for job in (good, bad, gone):
            house.succeed(job)
        paths = {job: next((house.data / "store" / "results" / job).glob("*.h5")) for job in (good, bad, gone)}
        assert house.api.get(f"/v1/jobs/{bad}/result").status == 200
        data = bytearray(paths[bad].read_bytes())
        data[len(data) // 2] ^= 1
        paths[bad].chmod(0o600)
        paths[bad].write_bytes(data)
        for headers in ({}, {"Range": "bytes=0-99"}):
            reply = house.api.get(f"/v1/jobs/{bad}/result", headers=headers)
            assert reply.status == 500 and reply.problem() == "result-corrupt", reply
        found = house.job(bad)
        assert found["state"] == "succeeded" and found["result"]["corrupt"] is True, found
        assert house.api.get(f"/v1/jobs/{good}/result").status == 200
        assert house.job(good)["result"]["corrupt"] is False
        moved = paths[gone].with_suffix(".away")
        paths[gone].rename(moved)
        reply = house.api.get(f"/v1/jobs/{gone}/result")
        assert reply.status == 500 and reply.problem() == "result-corrupt", reply
        moved.rename(paths[gone])
        again = house.api.post(f"/v1/jobs/{bad}/retry")  # what ops.md tells to do
        assert again.status == 202, again
        new = again.json()["id"]
        house.succeed(new)
        world.reference.check(house, new, {**SIMULATE, "seed": 2})


@row(34)
def results_folder_removed(world):
    """results directory removed or read-only"""
    with world.house(gangs=1) as house:
        done = house.submit(SIMULATE)
        house.succeed(done)
        results = house.data / "store" / "results"
        away = house.folder / "results"
        results.rename(away)
        results.write_text("in the way")  # a folder without permission does not stop root, a file does
        job = house.submit(SIMULATE)
        until(lambda: tasks_with(house, job, "storage"), 15, "the attempt fails")
        told = tasks_with(house, job, "storage")[0]
        assert "results" in told["message"] + house.server_words(), told
        for path in ("/healthz", "/v1/jobs", f"/v1/jobs/{done}", "/metrics"):
            assert house.api.get(path).status == 200, path
        reply = house.api.get(f"/v1/jobs/{done}/result")
        assert reply.status == 503 and reply.problem() == "storage", reply
        assert str(house.folder) not in reply.body.decode(), reply
        results.unlink()
        away.rename(results)
        house.succeed(job, BACKOFF_S + 15)
        world.reference.check(house, job, SIMULATE)
        assert house.api.get(f"/v1/jobs/{done}/result").status == 200
        assert house.job(done)["result"]["corrupt"] is False
