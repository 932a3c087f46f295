"""The clock jumps, memory and descriptors run out, everything is cancelled at once."""
import concurrent.futures
import json
import resource
import socket
import time

from house import LEASE_S, NO_ANSWER, TERMINAL, fds, until
from jobs import DRAWS, noop, posterior
from scenarios import row
from scenarios.clients import head_of, status_of

HOUR = 3600


@row(25)
def clock_jumps(world):
    """clock jump +1 h, -1 h, DST"""
    with world.house(start=False) as house:
        shims = [house.shim(), house.shim()]
        house.start(shim=shims[0])
        house.gang(shim=shims[1])
        house.wait_for_gangs(1)
        spec = posterior(draws=60, warmup=40, chains=1, npix=8)
        jobs = [house.submit(noop(1, 2.5)), house.submit(spec)]
        house.wait_for_progress(jobs[0])
        for jump in (HOUR, -HOUR, 0, 2 * HOUR, -24 * HOUR, 0):
            for shim in shims:
                shim.set(clock_s=jump)
            time.sleep(0.3)  # a heartbeat or two
            queued = house.submit(noop())
            assert house.job(queued)["state"] in ("queued", "running"), "an expiry that came an hour early"
        for job in [job["id"] for job in house.api.get("/v1/jobs").json()["jobs"]]:
            found = house.succeed(job)
            assert set(house.attempts(job).values()) == {1}, f"a lease ended early: {found}"
        world.reference.check(house, jobs[1], spec)
        lines = house.api.get("/metrics").body.decode().splitlines()
        numbers = [line.split() for line in lines if line[:1] not in "# "]
        wrong = [name for name, value in numbers if "seconds" in name and float(value) < 0]
        assert not wrong, wrong
        for user in house.api.get("/v1/usage").json()["users"]:
            assert 0 <= user["core_hours"] < 0.1, user


def answer_or_nothing(house, function, answers):
    """Status of an answer; 0: the connection ended, and the server lives."""
    try:
        answers.append(function())
        return answers[-1].status
    except NO_ANSWER:
        house.api.close()
        assert not house.server.ended(), f"the server is gone: {house.server.wait()} {house.server.words()[-2000:]}"
        return 0


@row(32)
def memory_runs_out(world):
    """out of host memory"""
    with world.house(start=False) as house:
        shim = house.shim()
        house.start(shim=shim)
        house.gang()
        house.wait_for_gangs(1)
        done = house.submit({**DRAWS, "count": 10})
        house.succeed(done)
        requests = {
            "submit": lambda: house.try_submit(noop(2), "memory"),
            "job": lambda: house.api.get(f"/v1/jobs/{done}"),
            "list": lambda: house.api.get("/v1/jobs?limit=5"),
            "events": lambda: house.api.get(f"/v1/jobs/{done}/events"),
            "draws": lambda: house.api.get(f"/v1/jobs/{done}/draws?start=0&count=5"),
            "result": lambda: house.api.get(f"/v1/jobs/{done}/result"),
            "retry": lambda: house.api.post("/v1/jobs/" + done + "/retry", headers={"Idempotency-Key": "memory-retry"}),
        }
        counts, answers = {}, []
        for name, request in requests.items():
            counts[name], passed, n = {}, 0, 1
            while passed < 3 and n < 2000:
                hits = shim.get("malloc_hits")
                house.api.close()
                shim.set(malloc_n=n)
                status = answer_or_nothing(house, request, answers)
                shim.set(malloc_n=0)
                counts[name][status] = counts[name].get(status, 0) + 1
                # 500: the limited child that reads a result's file died; what it was of cannot be known
                assert status in (200, 202, 503, 0) or (name, status) == ("draws", 500), (name, n, status, answers[-1:])
                passed = passed + 1 if shim.get("malloc_hits") == hits else 0
                n += max(1, n // 12)
            shim.set(malloc_n=0)
            final = request()
            assert final.status in (200, 202), (name, final)
        assert house.job(done)["result"]["corrupt"] is False
        assert not house.server.ended()
        keyed = {house.submit(noop(2), "memory") for _ in range(3)}
        assert len(keyed) == 1
        listed = house.api.get("/v1/jobs?limit=50").json()["jobs"]
        assert len(listed) == 3, [job["id"] for job in listed]  # done, the one submitted, the one retried
        for job in listed:
            house.succeed(job["id"])
        world.note("; ".join(f"{name} {json.dumps(count)}" for name, count in counts.items()))
    with world.house(start=False) as house:  # and in the middle of the dispatcher's work
        shim = house.shim()
        house.start(shim=shim)
        house.gang()
        house.wait_for_gangs(1)
        for n in (3, 11, 29, 67, 151, 331):
            job = house.submit(noop(4, 0.05))
            shim.set(malloc_n=n)
            until(lambda: shim.get("malloc_n") <= 0, 5, "an allocation fails")
            house.succeed(job, 15)


@row(33)
def descriptors_run_out(world):
    """file descriptor exhaustion"""
    with world.house("--threads", 2, start=False) as house:
        house.start(limits={resource.RLIMIT_NOFILE: 72})
        house.gang()
        house.wait_for_gangs(1)
        kept = house.client()
        assert kept.get("/v1/version").status == 200
        running = house.submit(noop(1, 1.0))
        before = fds(house.server.pid)
        crowd = []
        for _ in range(200):
            sock = socket.create_connection(house.address(), timeout=5)
            crowd.append(sock)
        refused = 0
        for sock in crowd:
            try:
                sock.sendall(head_of(house, "GET", "/v1/version"))
                sock.settimeout(0.05)
                refused += status_of(sock) == 503
            except (socket.timeout, OSError):
                continue
        assert refused > 0, "nobody was told 503"
        for _ in range(3):
            assert kept.get("/v1/version").status == 200, "an old connection does not work any more"
            assert kept.get(f"/v1/jobs/{running}").status == 200
        assert kept.post("/v1/jobs", noop()).status == 202
        for sock in crowd:
            sock.close()
        until(lambda: fds(house.server.pid) <= before + 2, 10, "the descriptors are free again")
        house.last_client = None
        house.succeed(running)
        world.note(f"{refused} of 200 were told 503")
        for job in house.api.get("/v1/jobs").json()["jobs"]:
            house.succeed(job["id"])


@row(35)
def cancel_storms(world):
    """cancel storms: cancel during every state"""
    with world.house(gangs=2) as house:
        rng, cancelled = world.random, {}

        def storm(number):
            client = house.client()
            specs = (noop(1, 0.0), noop(3, 0.05), noop(2, 0.3), posterior(draws=10, warmup=10, chains=2, npix=8))
            reply = client.post("/v1/jobs", specs[number % 4])
            job = reply.json()["id"]
            time.sleep(waits[number])
            answers = []
            for _ in range(4):
                answers.append(client.delete(f"/v1/jobs/{job}").status)
                time.sleep(0.001 * (number % 7))
            cancelled[job] = answers

        waits = [rng.choice((0, 0.001, 0.01, 0.05, 0.1, 0.4)) * rng.random() for _ in range(80)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(storm, range(80)))
        ends = {}
        for job, answers in cancelled.items():
            state = house.wait(job, 30)["state"]
            assert state in ("cancelled", "succeeded"), (job, state)
            assert set(answers) <= {202, 409}, answers
            assert 202 in answers or state == "succeeded", (answers, state)
            told = [event for event in house.events(job) if event["type"] == "end"]
            assert len(told) == 1 and told[0]["state"] == state, told
            again = house.api.delete(f"/v1/jobs/{job}")
            assert again.status == 409 and again.problem() == "conflict", again
            assert house.job(job)["state"] == state
            ends[state] = ends.get(state, 0) + 1
        assert set(ends) <= TERMINAL and ends.get("cancelled", 0) > 10, ends
        until(lambda: all(worker["state"] == "idle" for worker in house.workers()), 5 * LEASE_S, "the gangs are free")
        world.note(f"ends: {ends}")
