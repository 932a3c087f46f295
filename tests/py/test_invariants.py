"""The invariants of tests/fault can fail: of a folder that a server left, damaged in one way each, they name it."""
import pathlib
import shutil
import sqlite3
import sys

import pytest

from conftest import folder

sys.path.append(str(pathlib.Path(__file__).resolve().parents[1] / "fault"))
import invariants  # noqa: E402  pylint: disable=wrong-import-position
from house import House  # noqa: E402  pylint: disable=wrong-import-position
from jobs import SIMULATE, contents, differences, noop, posterior  # noqa: E402  pylint: disable=wrong-import-position

FIRST = "(SELECT min(row) FROM jobs)"
POSTERIOR = "(SELECT row FROM jobs WHERE kind = 'posterior')"


@pytest.fixture(scope="module")
def left(ffworker, tmp_path_factory):
    """What a server left that did a job of each sort."""
    with House(folder("FF_BIN", "build/bin").parent) as house:
        assert ffworker
        house.start()
        house.gang()
        for job in (SIMULATE, noop(2), noop(1, fail="error"), posterior(draws=6, warmup=4, chains=1, npix=8)):
            house.wait(house.submit(job))
        assert house.stop_server() == 0
        copy = tmp_path_factory.mktemp("left") / "d"
        shutil.copytree(house.data, copy, ignore=lambda *_: ["dispatch"])
    return copy


@pytest.fixture
def data(left, tmp_path):
    return shutil.copytree(left, tmp_path / "d")


def change(data, *statements):
    connection = sqlite3.connect(data / "fullfield.db")
    for name, in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
        connection.execute(f"DROP TRIGGER {name}")
    for statement in statements:
        assert connection.execute(statement).rowcount > 0, statement
    connection.commit()
    connection.close()


def test_what_a_server_leaves_is_as_it_has_to_be(data):
    invariants.check(data)


@pytest.mark.parametrize("statement, words", [
    (f"UPDATE jobs SET state = 'running' WHERE row = {FIRST}", "running, but ended is 1"),
    (f"UPDATE jobs SET ended = 0 WHERE row = {FIRST}", "ended is 0"),
    ("UPDATE jobs SET done = done - 1 WHERE kind = 'noop'", "counters"),
    (f"DELETE FROM tasks WHERE job = {POSTERIOR} AND name = 'reduce'", "1 tasks, 2 expected"),
    (f"UPDATE tasks SET state = 'running' WHERE job = {FIRST}", "succeeded with tasks"),
    (f"DELETE FROM events WHERE job = {POSTERIOR} AND seq = 3", "events numbered"),
    (f"UPDATE jobs SET last_seq = last_seq + 1 WHERE row = {FIRST}", "last_seq"),
    (f"UPDATE events SET type = 'log' WHERE job = {FIRST} AND type = 'end'", "end events []"),
    (f"UPDATE events SET type = 'end' WHERE job = {FIRST} AND seq = 1", "end events [1, "),
    (f"UPDATE events SET number = 99 WHERE job = {POSTERIOR} AND number = 2", "samples numbered"),
    (f"UPDATE events SET text = json_set(text, '$.draw', 0) WHERE job = {POSTERIOR} AND number IN (1, 2)",
     "more than once"),
    (f"UPDATE tasks SET attempt = attempt + 1 WHERE job = {FIRST}", "were given out"),
    (f"UPDATE tasks SET losses = 6 WHERE job = {FIRST}", "6 losses"),
    (f"DELETE FROM commits WHERE job = {FIRST}", "without a commit"),
    ("UPDATE users SET queued = 1", "counters 1 queued"),
    ("UPDATE users SET bytes = bytes + 1", "bytes; there are"),
    (f"DELETE FROM results WHERE job = {FIRST}", "succeeded without a result"),
    (f"UPDATE results SET sha256 = replace(sha256, 'a', 'b') WHERE job = {FIRST}", "other bytes"),
    (f"UPDATE results SET path = path || 'x' WHERE job = {FIRST}", "is not there"),
    ("INSERT INTO tokens VALUES (77, 'x', 7777, '', 'y', 0, '')", "foreign key"),
])
def test_a_row_that_is_wrong_is_named(data, statement, words):
    change(data, statement)
    with pytest.raises(invariants.Broken) as broken:
        invariants.check(data)
    assert words in str(broken.value)


@pytest.mark.parametrize("path, words", [
    ("results/job_x/simulate.1.h5", "no row knows"),
    ("work/job_x/y", "there is not"),
    ("uploads/x.part", "left lying"),
    ("results/job_x/a.part", "left lying"),
])
def test_a_file_that_should_not_be_there_is_named(data, path, words):
    (data / "store" / path).parent.mkdir(parents=True, exist_ok=True)
    (data / "store" / path).write_text("x")
    with pytest.raises(invariants.Broken, match=words):
        invariants.check(data)


def test_a_result_with_other_bytes_is_named(data):
    path = next((data / "store" / "results").glob("*/simulate.*.h5"))
    expected = contents(path)
    assert not differences(path, expected)
    expected["simulation/theta"] = None
    assert differences(path, expected) == ["simulation/theta"]
    path.chmod(0o600)
    with open(path, "r+b") as file:
        file.seek(path.stat().st_size // 2)
        byte = file.read(1)[0]
        file.seek(-1, 1)
        file.write(bytes([byte ^ 1]))
    with pytest.raises(invariants.Broken, match="other bytes"):
        invariants.check(data)
