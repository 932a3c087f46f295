#!/usr/bin/python3
"""`make load`: what the service bears on two cores, the client included. Starts servers and gangs, drives them with the
load client (tests/load/main.c) and with real jobs, prints a table and writes BUILD/load.json: a list of
{"name", "value", "unit", "limit", "sense", "ok"}; a limit of sense ">=" or "<=" that is missed makes the exit status 1.
Everything runs on the first two cores the machine has. Figures of a machine that does other things at the same time are
worth little: the load average before each part is in the list too.
"""
import argparse
import datetime
import json
import os
import pathlib
import resource
import sqlite3
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fault"))
from house import House, memory, until  # noqa: E402 (the path is set above)

NOOP = json.dumps({"kind": "noop"})
# As a server is run, but for quotas: the load is one user's.
QUOTAS = {"queued": 10000000, "running": 100000, "submits_per_minute": 10000000}
OPTIONS = ["--heartbeat-ms", 2000, "--lease-ms", 60000, "--checkpoint-s", 15, "--threads", 16, "--reserve-mib", 16,
           "--keep-free-mib", 64]
CHAINS = {"kind": "posterior", "name": "load", "seed": 1, "model": {"preset": "lsst-y10", "field": {"npix": 64}},
          "data": {"mock": {"seed": 7}}}


class Load:
    def __init__(self, build, quick):
        self.build, self.quick = pathlib.Path(build).resolve(), quick
        self.rows = []

    def add(self, name, value, unit, sense=None, limit=None):
        ok = None if limit is None else (value >= limit if sense == ">=" else value <= limit)
        self.rows.append({"name": name, "value": value, "unit": unit, "limit": limit, "sense": sense, "ok": ok})
        bound = f"{sense} {limit:<8g} {'ok' if ok else 'MISSED'}" if limit is not None else ""
        print(f"{name:44s} {value:12.5g} {unit:10s} {bound}", flush=True)

    def house(self):
        config = self.build / "load" / "config.json"
        config.write_text(json.dumps({"quotas": QUOTAS}), encoding="utf-8")
        return House(self.build, options=[*OPTIONS, "--config", config])

    def client(self, house, what, *options, **members):
        """The load client, started; its answer is read by `answer`."""
        host, port = house.address()
        command = [self.build / "load" / "load", what, "--server", f"http://{host}:{port}", "--token-file",
                   house.data / "admin.token", *options]
        for name, value in members.items():
            command += [f"--{name.replace('_', '-')}", value]
        return subprocess.Popen([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                text=True)

    def post(self, house, **members):
        return self.client(house, "requests", "--keys", method="POST", path="/v1/jobs", body=NOOP, **members)


def answer(client, status=0):
    """What the client printed last. Every answer has to have been the one that was meant."""
    out, _ = client.communicate()
    assert client.returncode == status, (client.returncode, out)
    found = json.loads(out.splitlines()[-1])
    if "statuses" in found:
        assert set(found["statuses"]) <= {"200", "202"}, found
    return found


def counts(house):
    """{state: jobs} of all users."""
    lines = house.api.get("/metrics").body.decode().splitlines()
    return {line.split('"')[1]: int(float(line.split()[-1])) for line in lines if line.startswith("fullfield_jobs{")}


def wait_for_success(house, total, seconds):
    until(lambda: time.sleep(0.1) or counts(house)["succeeded"] >= total, seconds, f"{total} jobs are done")


def run_job(house, job, seconds=900, every=0.05):
    """Seconds from when it was accepted to when it was done, as the server says; asked for rarely, without tasks."""
    house.api.close()  # the server may have closed a connection that was idle
    house.submit(job)
    last = {}

    def ended():
        time.sleep(every)
        last.update(house.api.get("/v1/jobs?limit=1").json()["jobs"][0])
        return last["finished"]

    until(ended, seconds, "the job has ended")
    assert last["state"] == "succeeded", last
    return moment(last["finished"]) - moment(last["created"])


def moment(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


# ---- jobs that do nothing ----


def accept(load):
    """Jobs accepted and durable, without gangs; and those that were acknowledged when the server is killed."""
    total = 4000 if load.quick else 20000
    with load.house() as house:
        house.start()
        answer(load.post(house, connections=16, total=2000))
        fast = answer(load.post(house, connections=32, total=total))
        load.add("jobs accepted", fast["rate"], "1/s", ">=", 1000)
        load.add("  p99 of POST at that rate", fast["p99_ms"], "ms")
        steady = answer(load.post(house, connections=64, total=total, rate=1000))
        load.add("  p99 of POST at 1000 a second", steady["p99_ms"], "ms", "<=", 20)
        load.add("  median", steady["p50_ms"], "ms")
        load.add("  cpu of the server a job", 1e3 * cpu_seconds(house.server.pid) / (2 * total + 2000), "ms")
        ids = house.folder / "ids"
        client = load.post(house, connections=16, total=1000000, ids=ids, patience=2)
        before = 2 * total + 2000
        until(lambda: counts(house)["queued"] > before + 1000, 30, "jobs come in")
        house.kill_server()
        answer(client, status=1)
        acknowledged = set(ids.read_text(encoding="ascii").split())
        house.start()
        with sqlite3.connect(house.data / "fullfield.db") as db:
            known = {row[0] for row in db.execute("SELECT id FROM jobs")}
        assert len(acknowledged) > 500
        load.add("acknowledged jobs lost by kill -9", len(acknowledged - known), "jobs", "<=", 0)
        load.add("  of", len(acknowledged), "jobs")


def tasks(load):
    """Through submit, dispatch and gang to done, durable at each step: a job of many tasks, and many jobs of one."""
    total = 3000 if load.quick else 15000
    with load.house() as house:
        house.start()
        gangs = [house.gang(), house.gang()]
        house.wait_for_gangs(2)
        run_job(house, {"kind": "noop", "count": 500})
        cpu = [cpu_seconds(house.server.pid), sum(cpu_seconds(gang.pid) for gang in gangs)]
        load.add("tasks of one job", total / run_job(house, {"kind": "noop", "count": total}), "1/s", ">=", 1500)
        load.add("  cpu of the server a task", 1e3 * (cpu_seconds(house.server.pid) - cpu[0]) / total, "ms")
        load.add("  cpu of the gangs a task",
                 1e3 * (sum(cpu_seconds(gang.pid) for gang in gangs) - cpu[1]) / total, "ms")
        done, cpu = counts(house)["succeeded"], cpu_seconds(house.server.pid)
        begun = time.monotonic()
        answer(load.post(house, connections=32, total=total))
        wait_for_success(house, done + total, 300)
        load.add("jobs of one task, submitted and done", total / (time.monotonic() - begun), "1/s", ">=", 1500)
        load.add("  cpu of the server a job", 1e3 * (cpu_seconds(house.server.pid) - cpu) / total, "ms")
        steady = answer(load.post(house, connections=64, total=total, rate=1000))
        load.add("  p99 of POST at 1000 a second, gangs at work", steady["p99_ms"], "ms", "<=", 20)
        wait_for_success(house, done + 2 * total, 300)


def queued(load):
    """Submitting and listing while ten thousand jobs wait."""
    total = 500 if load.quick else 2000
    with load.house() as house:
        house.start()
        answer(load.post(house, connections=32, total=10000))
        before = memory(house.server.pid)
        listing = load.client(house, "requests", path="/v1/jobs", connections=8, total=total, rate=100)
        posting = load.post(house, connections=8, total=total, rate=100)
        load.add("p99 of POST, 10000 jobs queued", answer(posting)["p99_ms"], "ms", "<=", 50)
        load.add("p99 of GET /v1/jobs, 10000 jobs queued", answer(listing)["p99_ms"], "ms", "<=", 50)
        waiting = load.client(house, "requests", path="/v1/jobs?state=queued", connections=8, total=total, rate=100)
        load.add("p99 of GET /v1/jobs?state=queued", answer(waiting)["p99_ms"], "ms", "<=", 50)
        load.add("  memory they cost", (memory(house.server.pid) - before) / 2**20, "MiB")


def watchers(load):
    """Everybody follows one running job, and some never read."""
    number, stalled = (100, 2) if load.quick else (500, 5)
    with load.house() as house:
        house.start()
        house.gang(), house.gang()
        house.wait_for_gangs(2)
        job = house.submit({"kind": "noop", "count": 400, "sleep_s": 0.05})
        found = answer(load.client(house, "watch", path=f"/v1/jobs/{job}/events", watchers=number, stalled=stalled))
        assert found["events"] == house.events(job)[-1]["seq"]
        load.add("watchers that got every event", found["complete"], "clients", ">=", number)
        load.add("  events of the job", found["events"], "events")
        load.add("  p99 of the lag of an event", found["lag_p99_ms"], "ms")
        load.add("  longest lag", found["lag_max_ms"], "ms")
        load.add("  memory of the server", memory(house.server.pid) / 2**20, "MiB")


def flat(load):
    """Memory of the server over a hundred thousand jobs."""
    step, steps = (2000, 3) if load.quick else (20000, 5)
    with load.house() as house:
        house.start()
        house.gang(), house.gang()
        house.wait_for_gangs(2)
        sizes = []
        for i in range(steps):
            answer(load.post(house, connections=16, total=step))
            wait_for_success(house, (i + 1) * step, 600)
            sizes.append(memory(house.server.pid) / 2**20)
            load.add(f"memory after {(i + 1) * step} jobs", sizes[-1], "MiB")
        load.add("memory, last over first", sizes[-1] / sizes[0], "", "<=", 1.1)
        size = (house.data / "fullfield.db").stat().st_size
        load.add("  size of the database a job", size / (step * steps), "bytes")


# ---- jobs that compute ----


def sampler(chains, warmup, draws):
    return {**CHAINS, "sampler": {"algorithm": "hmc", "chains": chains, "warmup": warmup, "draws": draws}}


def posterior(load):
    """The same posterior with one gang and with two, each of one thread."""
    job = sampler(4, 20, 20) if load.quick else sampler(4, 40, 120)
    seconds = {}
    with load.house() as house:
        house.start()
        for gangs in (1, 2):
            house.gang()
            house.wait_for_gangs(gangs)
            seconds[gangs] = min(run_job(house, job, every=0.5) for _ in range(1 if load.quick else 2))
    load.add("posterior of 4 chains, 1 gang", seconds[1], "s")
    load.add("posterior of 4 chains, 2 gangs", seconds[2], "s")
    cores = len(os.sched_getaffinity(0))
    load.add("  speed of 2 gangs over 1", seconds[1] / seconds[2], "", *((">=", 1.8) if cores > 1 else ()))


def overhead(load):
    """A job of about a minute through the service and with ffworker --job, on one thread each, turn and turn about."""
    job = sampler(2, 40, 60) if load.quick else sampler(2, 100, 500)
    alone, service = [], []  # (seconds, cpu seconds)
    with load.house() as house:
        house.start()
        gang = house.gang()
        house.wait_for_gangs(1)
        spec, result = house.folder / "job.json", house.folder / "alone.h5"
        spec.write_text(json.dumps(job), encoding="utf-8")
        for _ in range(1 if load.quick else 2):
            begun, cpu = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([load.build / "bin" / "ffworker", "--job", spec, "-o", result, "--threads", "1"],
                           stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True,
                           env={**os.environ, "OMP_WAIT_POLICY": "passive"})
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            alone.append((time.monotonic() - begun,
                          used.ru_utime + used.ru_stime - cpu.ru_utime - cpu.ru_stime))
            cpu = cpu_seconds(gang.pid) + cpu_seconds(house.server.pid)
            seconds = run_job(house, job, every=1)
            service.append((seconds, cpu_seconds(gang.pid) + cpu_seconds(house.server.pid) - cpu))
    wall, cpu = map(min, zip(*alone))
    wall_service, cpu_service = map(min, zip(*service))
    load.add("job with ffworker --job", wall, "s")
    load.add("the same through the service", wall_service, "s")
    load.add("  overhead", 100 * (wall_service / wall - 1), "%", "<=", 2)
    load.add("  overhead in cpu seconds, the server's included", 100 * (cpu_service / cpu - 1), "%")


PARTS = {part.__name__: part for part in (accept, tasks, queued, watchers, flat, posterior, overhead)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--quick", action="store_true", help="a tenth of everything: does it work at all?")
    parser.add_argument("--only", default=",".join(PARTS), help="parts, with commas: " + " ".join(PARTS))
    options = parser.parse_args()
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    load = Load(options.build, options.quick)
    for name in options.only.split(","):
        print(f"# {name}: {PARTS[name].__doc__.splitlines()[0]}")
        load.add("load average before", os.getloadavg()[0], "")
        PARTS[name](load)
    path = load.build / "load.json"
    path.write_text(json.dumps(load.rows, indent=1) + "\n", encoding="utf-8")
    missed = [row["name"].strip() for row in load.rows if row["ok"] is False]
    print(f"{path}: {len(missed)} of {sum(row['ok'] is not None for row in load.rows)} limits missed"
          + (": " + ", ".join(missed) if missed else ""))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
