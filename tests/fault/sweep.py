"""Kills at every crash point of the programs: ff_crash_point("NAME") in the sources. Each is one process that dies at
its n-th pass through the point while a small mix of jobs is on its way; then it is started again, and the answers have
to be those of a run without a kill, to the bit. What was acknowledged is there, once, and the invariants hold.
"""
import collections
import itertools
import os
import re
import subprocess
import time
import traceback

import invariants
import scenarios
from house import NO_ANSWER, ROOT, House, until
from jobs import DRAWS, noop, posterior

POINT = re.compile(r'ff_crash_point\("([a-z_]+)"\)')
SERVER_ROOMS, GANG_ROOMS = ("server",), ("worker",)
NEVER_S = 20  # a point that the mix does not reach
MIX = {"noop": noop(4, 0.02), "draws": {**DRAWS, "count": 20}, "posterior": posterior(draws=10, warmup=15, npix=8)}
RANKS = noop(2, 0.1, resources={"ranks": 2})


def points():
    """{point: who dies there and what it takes to come there}: server; start: before it serves; backup; gang; put: a
    gang that shares no store with its server; put-server: the server of such gangs; rank: of a gang of two."""
    found = {}
    for room in SERVER_ROOMS + GANG_ROOMS:
        for path in sorted((ROOT / room).rglob("*.c")):
            for name in POINT.findall(path.read_text(encoding="utf-8")):
                found[name] = "server" if room in SERVER_ROOMS else "gang"
    special = {"migrate_before_commit": "start", "migrate_after_commit": "start", "backup_before_rename": "backup",
               "gang_put": "put", "store_put": "put-server", "rank_step": "rank"}
    return {name: special.get(name, who) for name, who in found.items()}


class Kill:
    """One of them, from the first start to the last look."""

    def __init__(self, world, point, who, number, moment):
        self.world, self.point, self.who, self.number, self.moment = world, point, who, number, moment
        self.crash = {"FF_CRASH_AT": f"{point}:{number}"}
        self.jobs, self.unknown = {}, []  # name of the mix -> id; names without an answer
        self.died = False

    def submit(self, house, name, spec):
        try:
            self.jobs[name] = house.submit(spec, f"key-{name}")
        except NO_ANSWER:
            self.unknown.append((name, spec))

    def mix(self):
        if self.who == "rank":
            return {"ranks": RANKS, "noop": MIX["noop"]}
        return MIX

    def submit_all(self, house):
        for name, spec in self.mix().items():
            self.submit(house, name, spec)
            time.sleep(self.moment)

    def finished(self, house):
        return all(house.job(job)["state"] in ("succeeded", "failed", "crashed") for job in self.jobs.values())

    def wait_for_death(self, program, house):
        """Until it has died, or the mix came to its end without."""

        def over():
            if program.ended():
                return True
            try:
                return not self.unknown and len(self.jobs) == len(self.mix()) and self.finished(house)
            except NO_ANSWER:
                return program.ended()

        until(over, NEVER_S, f"{self.point}:{self.number} is reached, or the jobs end")
        self.died = program.ended()
        if self.died:
            status = program.wait()
            at_the_point = status == 137 or self.who == "rank"  # mpirun has words of its own for that
            assert at_the_point, f"it ended with {status}, not at its crash point: {program.words()[-800:]}"

    # ---- who dies ----

    def server_dies(self, house, shared=True):
        house.start(environment=self.crash, wait=False)
        try:
            house.wait_for_server()
        except AssertionError:
            assert house.server.ended() and house.server.wait() == 137, house.server.words()
        self.died = house.server.ended()
        if self.died:  # before it served
            house.start()
        gangs = [house.gang(shared=shared) for _ in range(2)]
        if not self.died:
            self.submit_all(house)
            self.wait_for_death(house.server, house)
            if self.died:
                house.start()
        assert house.start_s < 5, f"the start took {house.start_s:.1f} s"
        self.submit_rest(house)
        return gangs

    def submit_rest(self, house):
        """What was not acknowledged is sent again with its key; what was is found by it."""
        for name, spec in self.mix().items():
            try:
                again = house.submit(spec, f"key-{name}")
            except NO_ANSWER:  # the point is reached only now
                assert not self.died and house.server.wait() == 137, house.server.words()
                self.died = True
                house.start()
                again = house.submit(spec, f"key-{name}")
            assert self.jobs.setdefault(name, again) == again, f"{name} was taken twice: {self.jobs[name]}, {again}"

    def gang_dies(self, house, shared=True, ranks=1):
        house.start()
        first = house.gang(environment=self.crash, shared=shared, ranks=ranks)
        house.wait_for_gangs(1, 30)
        if ranks == 1:
            house.gang(shared=shared)
        self.submit_all(house)
        if ranks > 1:  # it takes mpirun a while to start: meanwhile the first one has the job
            house.gang(shared=shared, ranks=ranks)
        self.wait_for_death(first, house)
        if self.died and ranks == 1:
            house.gang(shared=shared)

    def backup_dies(self, house):
        house.start()
        house.gang()
        self.submit_all(house)
        command = [house.build / "bin" / "ffserver", "--data", house.data, "--backup", house.folder / "copy.db"]
        for environment, status in ((self.crash, 137), ({}, 0)):
            done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, timeout=20,
                                  check=False)
            assert done.returncode == status, done
            assert (house.folder / "copy.db").exists() == (status == 0), "a backup that is not whole"
        self.died = True

    def act(self, house):
        if self.who in ("server", "start"):
            self.server_dies(house)
        elif self.who == "put-server":
            self.server_dies(house, shared=False)
        elif self.who == "backup":
            self.backup_dies(house)
        elif self.who == "gang":
            self.gang_dies(house)
        elif self.who == "put":
            self.gang_dies(house, shared=False)
        else:
            self.gang_dies(house, ranks=2)

    def look(self, house):
        for name, job in self.jobs.items():
            found = house.wait(job, 30)
            assert found["state"] == "succeeded", f"{name}: {found}"
            if name in ("draws", "posterior"):
                self.world.reference.check(house, job, self.mix()[name])
        jobs = house.api.get("/v1/jobs?limit=100").json()["jobs"]
        assert len(jobs) == len(self.jobs), f"{len(jobs)} jobs, {len(self.jobs)} were submitted"
        invariants.check(house.data)

    def run(self):
        with House(self.world.build, keep=self.world.keep) as house:
            try:
                self.act(house)
                self.look(house)
            except Exception:
                print(f"--- {self.point}:{self.number} ({self.who}): words of the server\n"
                      f"{scenarios.tail(house.server_words())}")
                for gang in house.gangs:
                    print(f"--- words of {gang.name}\n{scenarios.tail(gang.words(), 15)}")
                raise


def plan(known, kills, rng):
    """(point, n) for so many kills: each point in turn, n at random; the first round dies at the first pass."""
    rounds = itertools.chain([lambda: 1, lambda: 2, lambda: 3], itertools.repeat(lambda: rng.randint(1, 12)))
    for number in rounds:
        for point in known:
            yield point, number()


def most_passes(point, who):
    """Points that are passed no more often than this in a mix."""
    if who in ("start", "backup"):
        return 2 if who == "start" else 1
    return 4 if point.startswith("http") else 1000


def run(world, kills, only=()):
    """A summary. Kills that never came about (the mix ends before) are done with another n, and counted apart."""
    known = points()
    for name in only:
        assert name in known, f"no such crash point: {name}; there are {', '.join(known)}"
    known = {name: who for name, who in known.items() if not only or name in only}
    per_point = {name: collections.Counter() for name in known}
    failures, slowest, died, begun = [], 0.0, 0, time.monotonic()
    if kills:
        for spec in (MIX["draws"], MIX["posterior"]):
            world.reference.of(spec)
    for point, number in plan(known, kills, world.random):
        if died >= kills or len(failures) > 20:
            break
        who = known[point]
        if number > most_passes(point, who) or per_point[point]["too late"] > 3 and number > 3:
            number = 1
        kill = Kill(world, point, who, number, world.random.choice((0, 0, 0.02, 0.1)))
        start = time.monotonic()
        try:
            kill.run()
            outcome = "survived" if kill.died else "too late"
        except Exception as error:  # pylint: disable=broad-except
            outcome = "failed"
            failures.append({"point": point, "n": number, "what": str(error)[:1000]})
            trace = traceback.format_exc().strip().replace("\n", "\n     ")
            print(f"     kill at {point}:{number} FAILED\n     {trace}", flush=True)
        seconds = time.monotonic() - start
        slowest = max(slowest, seconds)
        died += outcome != "too late"
        per_point[point][outcome] += 1
        per_point[point]["ms"] += int(1000 * seconds)
    seconds = time.monotonic() - begun
    return report(per_point, known, failures, died, seconds, slowest) if kills else {"passed": 0, "failed": 0}


def report(per_point, known, failures, died, seconds, slowest):
    print(f"\n{'crash point':28s} {'who':10s} survived  failed  not reached  s a kill")
    table = {}
    for name, count in per_point.items():
        tries = count["survived"] + count["failed"] + count["too late"]
        each = count["ms"] / 1000 / tries if tries else 0
        table[name] = {"who": known[name], "survived": count["survived"], "failed": count["failed"],
                       "not_reached": count["too late"], "seconds_each": round(each, 2)}
        print(f"{name:28s} {known[name]:10s} {count['survived']:8d} {count['failed']:7d} {count['too late']:12d} "
              f"{each:9.2f}")
    never = [name for name, row in table.items() if row["not_reached"] and not row["survived"] + row["failed"]]
    for name in never:
        failures.append({"point": name, "n": 0, "what": "the mix of jobs never reaches it"})
    print(f"{died} kills in {seconds:.0f} s, {seconds / max(1, died):.2f} s each, the longest {slowest:.1f} s; "
          f"{len(failures)} failures" + (f"; never reached: {', '.join(never)}" if never else ""))
    return {"kills": died, "passed": died - (len(failures) - len(never)), "failed": len(failures),
            "seconds": round(seconds, 1), "seconds_per_kill": round(seconds / max(1, died), 2),
            "longest": round(slowest, 2), "points": table, "failures": failures}


