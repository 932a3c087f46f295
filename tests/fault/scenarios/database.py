"""The database is damaged, or its log is cut short."""
import hashlib
import pathlib
import shutil
import sqlite3
import subprocess

import invariants
from jobs import SIMULATE, noop
from scenarios import row

PAGE = 4096


def checksums(folder):
    """Of the database and its log, if there is anything in that."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest()
            for path in pathlib.Path(folder).glob("fullfield.db*")
            if path.stat().st_size and not path.name.endswith("-shm")}


def overwrite(offset, data):
    def damage(path):
        with open(path, "r+b") as file:
            file.seek(offset)
            file.write(data)

    return damage


def statement(sql):
    def damage(path):
        connection = sqlite3.connect(path)
        connection.execute(sql)
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    return damage


def page_of(path, table):
    """Offset of a table's first page."""
    connection = sqlite3.connect(path)
    number = connection.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()[0]
    connection.close()
    return (number - 1) * PAGE


@row(12)
def damaged_database(world):
    """damaged DB (page header, a hash-covered row)"""
    with world.house(gangs=1) as house:
        jobs = [house.submit(SIMULATE), house.submit(noop(3))]
        for job in jobs:
            house.succeed(job)
        database, backup = house.data / "fullfield.db", house.folder / "backup.db"
        subprocess.run([house.build / "bin" / "ffserver", "--data", house.data, "--backup", backup], check=True,
                       capture_output=True, timeout=20)
        later = house.submit(noop(), "later")
        house.succeed(later)
        house.stop_server()
        statement("PRAGMA optimize")(database)  # so that all of it is in one file
        whole = house.folder / "whole"
        whole.mkdir()
        for path in house.data.glob("fullfield.db*"):
            shutil.copy(path, whole)
        for what, damage in (
                ("the file's header", overwrite(0, b"x" * 100)),
                ("a page's header", overwrite(page_of(database, "jobs"), b"\xff" * 64)),
                ("the last page", overwrite(database.stat().st_size - PAGE, b"\x55" * PAGE)),
                ("a token", statement("UPDATE tokens SET secret = replace(secret, 'a', 'b')")),
                ("a user's rights", statement("UPDATE users SET admin = 1 - admin")),
                ("a result's hash", statement("UPDATE results SET sha256 = replace(sha256, 'a', 'b')")),
                ("half of it", lambda path: path.open("r+b").truncate(path.stat().st_size // 2))):
            for path in house.data.glob("fullfield.db*"):
                path.unlink()
            for path in whole.iterdir():
                shutil.copy(path, house.data)
            damage(database)
            before = checksums(house.data)
            server = house.start(wait=False)
            assert server.wait() == 1, f"{what}: {server.words()}"
            words = server.words()
            assert str(database) in words and "damaged" in words and "--restore BACKUP" in words, f"{what}: {words}"
            assert checksums(house.data) == before, f"{what}: the server wrote to a damaged database"
        damaged = checksums(house.data)["fullfield.db"]
        subprocess.run([house.build / "bin" / "ffserver", "--data", house.data, "--restore", backup], check=True,
                       capture_output=True, timeout=20)
        assert damaged in checksums(house.data).values(), "the damaged database is not kept"
        house.start()
        for job in jobs:
            assert house.job(job)["state"] == "succeeded"
        world.reference.check(house, jobs[0], SIMULATE)
        assert house.api.get(f"/v1/jobs/{later}").status == 404
        house.gang()
        house.succeed(house.submit(noop(), "later"))
        shutil.rmtree(house.data / "store" / "work" / later, ignore_errors=True)  # the sweep reports it after a day


def wal_of(house):
    return house.data / "fullfield.db-wal"


@row(13)
def truncated_wal(world):
    """corrupt or truncated WAL"""
    with world.house() as house:
        keys, known = [f"key-{i}" for i in range(12)], {}
        first = house.submit(noop())
        for key in keys:
            known[key] = house.submit(noop(), key)
        house.kill_server()
        whole = house.folder / "whole"
        whole.mkdir()
        for path in house.data.glob("fullfield.db*"):
            shutil.copy(path, whole)
        token = shutil.copy(house.data / "admin.token", house.folder / "token")
        size = wal_of(house).stat().st_size
        assert size > PAGE, "everything is in the database already: nothing to cut"
        cuts = [1, 20, PAGE, PAGE + 24, 3 * PAGE, size // 2, size - 20]
        left = []
        for cut in cuts + ["flip"]:
            for path in house.data.glob("fullfield.db*"):
                path.unlink()
            for path in whole.iterdir():
                if not path.name.endswith("-shm"):
                    shutil.copy(path, house.data)
            with open(wal_of(house), "r+b") as file:
                if cut == "flip":
                    file.seek(size // 2)
                    file.write(b"\xaa\x55\xaa\x55")
                else:
                    file.truncate(size - cut)
            shutil.copy(token, house.data / "admin.token")
            house.start()
            if cut != size - 20:  # then not even the token of the first start is left
                there = [house.api.get(f"/v1/jobs/{known[key]}").status == 200 for key in keys]
                assert there == sorted(there, reverse=True), (cut, there)  # a prefix of what was committed
                left.append(sum(there))
                for key, was in zip(keys, there):  # who repeats what was lost gets a job again
                    again = house.submit(noop(), key)
                    assert (again == known[key]) == was, (cut, key)
            invariants.check(house.data)
            house.kill_server()
        assert left[0] < len(keys) and left == sorted(left[:-1], reverse=True) + left[-1:], left
        world.note(f"jobs left of {len(keys)}, by bytes cut: {dict(zip([c for c in cuts if c != size - 20], left))}")
        house.start()
        house.gang()
        for job in [job["id"] for job in house.api.get("/v1/jobs?limit=100").json()["jobs"]]:
            house.succeed(job)
        assert first
