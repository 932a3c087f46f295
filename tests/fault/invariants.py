"""What has to be true of a server's folder at any moment, whatever happened to it: looked at from outside, in the
database and among the files. check(data) raises Broken with everything that is not so.

A job is in one state; its events are numbered without gap, one of them the last; each attempt was given out once; a job
that succeeded has one result row and one file of those bytes; no result is without its job; nothing is left half done.
"""
import collections
import hashlib
import os
import pathlib
import sqlite3

STATES = {"queued", "running", "cancelling", "succeeded", "failed", "crashed", "cancelled"}
TERMINAL = {"succeeded", "failed", "crashed", "cancelled"}
MAX_ATTEMPTS = 5  # losses of a task before it is given up
SUCCEEDED = 0  # outcome in `commits`


class Broken(AssertionError):
    """Promises that were not kept."""


class Database:
    """A snapshot, read only."""

    def __init__(self, path):
        self.connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=10, isolation_level=None)
        self.connection.row_factory = sqlite3.Row
        self.connection.execute("BEGIN")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def rows(self, sql, *values):
        return self.connection.execute(sql, values).fetchall()

    def value(self, sql, *values):
        return self.connection.execute(sql, values).fetchone()[0]


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


# ---- the database ----


def check_whole(db):
    found = [row[0] for row in db.rows("PRAGMA integrity_check")]
    if found != ["ok"]:
        yield f"integrity_check: {found}"
    for row in db.rows("PRAGMA foreign_key_check"):
        yield f"foreign key of {tuple(row)}"


def check_states(db):
    """One state, and what the job says of its tasks is what its tasks say."""
    for job in db.rows("SELECT * FROM jobs"):
        name = job["id"]
        if job["state"] not in STATES:
            yield f"{name}: state {job['state']}"
        tasks = db.rows("SELECT * FROM tasks WHERE job = ?", job["row"])
        count = collections.Counter(task["state"] for task in tasks)
        if len(tasks) != job["ntasks"]:
            yield f"{name}: {len(tasks)} tasks, {job['ntasks']} expected"
        if (count["running"], count["succeeded"]) != (job["running"], job["done"]):
            yield f"{name}: counters {job['running']} running, {job['done']} done; its tasks {dict(count)}"
        ended = job["state"] in TERMINAL
        if ended != (job["ended"] == 1) or ended != (job["finished_ms"] is not None):
            yield f"{name}: {job['state']}, but ended is {job['ended']} and finished {job['finished_ms']}"
        if job["state"] == "succeeded" and count["succeeded"] != len(tasks):
            yield f"{name}: succeeded with tasks {dict(count)}"
        if ended and (count["running"] or count["queued"] or count["blocked"]):
            yield f"{name}: {job['state']} with tasks {dict(count)}"
        if job["state"] == "running" and not count["running"] and not job["done"] < job["ntasks"]:
            yield f"{name}: running, with nothing left to do"


def check_events(db):
    """Numbered 1..n; the last of a job that has ended is its end, and there is no other."""
    for job in db.rows("SELECT * FROM jobs"):
        name, row = job["id"], job["row"]
        n, low, high = db.rows("SELECT count(*), min(seq), max(seq) FROM events WHERE job = ?", row)[0]
        if n and (low, high) != (1, n) or n != job["last_seq"]:
            yield f"{name}: {n} events numbered {low} to {high}, last_seq {job['last_seq']}"
        ends = [end["seq"] for end in db.rows("SELECT seq FROM events WHERE job = ? AND type = 'end'", row)]
        if ends != ([n] if job["state"] in TERMINAL else []):
            yield f"{name}: {job['state']} with end events {ends} of {n}"
        n, low, high = db.rows("SELECT count(*), min(number), max(number) FROM events "
                               "WHERE job = ? AND type = 'sample'", row)[0]
        if n and (low, high) != (1, n) or n != job["last_sample"]:
            yield f"{name}: {n} samples numbered {low} to {high}, last_sample {job['last_sample']}"
        twice = db.rows("SELECT json_extract(text, '$.chain') c, json_extract(text, '$.draw') d, "
                        "json_extract(text, '$.warmup') w, count(*) n FROM events WHERE job = ? AND type = 'sample' "
                        "GROUP BY c, d, w HAVING n > 1", row)
        for sample in twice:
            yield f"{name}: sample {tuple(sample)} came more than once"


def check_attempts(db):
    """Each attempt was given out once, in order; none beyond what is allowed."""
    for task in db.rows("SELECT j.id, t.* FROM tasks t JOIN jobs j ON j.row = t.job"):
        name = f"{task['id']} {task['name']}"
        given = [event["attempt"] for event in db.rows(
            "SELECT attempt FROM events WHERE job = ? AND task = ? AND type = 'state' AND "
            "json_extract(text, '$.state') = 'running' ORDER BY seq", task["job"], task["name"])]
        if given != list(range(1, task["attempt"] + 1)):
            yield f"{name}: attempts {given} were given out, the last is {task['attempt']}"
        if task["losses"] > MAX_ATTEMPTS or task["done"] > task["attempt"]:
            yield f"{name}: {task['losses']} losses, {task['done']} done of {task['attempt']}"
        if task["state"] == "running" and not task["worker"]:
            yield f"{name}: running at nobody's"
        if task["state"] == "succeeded" and not db.value(
                "SELECT count(*) FROM commits WHERE job = ? AND task = ? AND attempt = ? AND outcome = ?", task["job"],
                task["name"], task["done"], SUCCEEDED):
            yield f"{name}: succeeded without a commit of attempt {task['done']}"
    for worker in db.rows("SELECT worker, count(*) n FROM tasks WHERE state = 'running' GROUP BY worker HAVING n > 1"):
        yield f"{worker['worker']} holds {worker['n']} tasks"


def check_users(db):
    for user in db.rows("SELECT * FROM users"):
        queued = db.value("SELECT count(*) FROM jobs WHERE user = ? AND state = 'queued'", user["row"])
        running = db.value("SELECT count(*) FROM tasks WHERE user = ? AND state = 'running'", user["row"])
        size = (db.value("SELECT coalesce(sum(size + chunk_bytes), 0) FROM results WHERE user = ?", user["row"]) +
                db.value("SELECT coalesce(sum(size), 0) FROM datasets WHERE user = ?", user["row"]))
        if (queued, running, size) != (user["queued"], user["running"], user["bytes"]):
            yield (f"user {user['name']}: counters {user['queued']} queued, {user['running']} running, {user['bytes']} "
                   f"bytes; there are {queued}, {running}, {size}")
        if user["core_seconds"] < 0 or user["recent"] < 0:
            yield f"user {user['name']}: {user['core_seconds']} core-seconds"


# ---- files ----


def check_results(db, store, corrupt_allowed):
    """A result of every job that should have one, with its bytes; none without its row."""
    known = set()
    for result in db.rows("SELECT j.id, j.state, r.* FROM results r LEFT JOIN jobs j ON j.row = r.job"):
        name, path = result["id"], store / result["path"]
        known.add(path)
        if name is None or result["state"] != "succeeded":
            yield f"result {result['path']} of a job that is {result['state']}"
        if not path.is_file():
            yield f"{name}: its result {path} is not there"
        elif not (result["corrupt"] and corrupt_allowed):
            if path.stat().st_size != result["size"] or sha256(path) != result["sha256"]:
                yield f"{name}: its result has other bytes"
            arrays = sum(file.stat().st_size for file in (store / "work" / name).glob("draws-*.*/*.npy"))
            if result["chunk_bytes"] and arrays != result["chunk_bytes"]:
                yield f"{name}: {result['chunk_bytes']} bytes of draws belong to its result, there are {arrays}"
    for job in db.rows("SELECT id FROM jobs WHERE state = 'succeeded' AND kind <> 'noop' AND row NOT IN "
                       "(SELECT job FROM results)"):
        yield f"{job['id']}: succeeded without a result"
    busy = {job["id"] for job in db.rows("SELECT id FROM jobs WHERE state NOT IN ('succeeded','failed','crashed',"
                                         "'cancelled')")}
    for path in (store / "results").glob("*/*"):
        if path not in known and path.parent.name not in busy:
            yield f"a result that no row knows: {path.relative_to(store)}"


def unfinished(folder):
    """Half-written files below it. What a server that runs removes meanwhile is no matter."""
    for where, _, names in os.walk(folder):
        for name in names:
            if name.endswith((".part", ".tmp")) or name.startswith(".send."):
                yield pathlib.Path(where) / name


def check_rest(db, store):
    """Work belongs to a job; of one that has ended nothing is half written. No upload is left."""
    states = {job["id"]: job["state"] for job in db.rows("SELECT id, state FROM jobs")}
    for path in (store / "work").glob("*"):
        if path.name not in states:
            yield f"work of a job that there is not: {path.name}"
        elif states[path.name] == "succeeded":
            for part in unfinished(path):
                yield f"left by a job that succeeded: {part.relative_to(store)}"
    for path in [*(store / "uploads").glob("*"), *(store / "results").rglob("*.part"),
                 *(store / "datasets").glob("*.part")]:
        yield f"left lying: {path.relative_to(store)}"


# ---- all ----


def check(data, corrupt_allowed=False):
    data = pathlib.Path(data)
    with Database(data / "fullfield.db") as db:
        parts = (check_whole(db), check_states(db), check_events(db), check_attempts(db), check_users(db),
                 check_results(db, data / "store", corrupt_allowed), check_rest(db, data / "store"))
        broken = [what for part in parts for what in part]
    if broken:
        more = f" .. and {len(broken) - 20} more" if len(broken) > 20 else ""
        raise Broken("; ".join(broken[:20]) + more)


def check_secrets(house):
    """The token and the keys stand in no log."""
    secrets = [(house.data / name).read_text(encoding="ascii").strip() for name in
               ("admin.token", "server.key", "worker.key") if (house.data / name).exists()]
    for path in house.folder.glob("*.log"):
        text = path.read_text(errors="replace")
        for secret in secrets:
            if secret in text:
                raise Broken(f"a secret stands in {path.name}")


def main():
    import sys  # pylint: disable=import-outside-toplevel
    check(sys.argv[1])
    print("all is as it has to be")


if __name__ == "__main__":
    main()
