"""The rows of the fault matrix: one function a row, @row(NUMBER). The first line of its docstring is the row's name."""
import contextlib
import importlib
import pkgutil
import random
import sys
import time

import invariants
from house import House, until
from jobs import Reference

ROWS = {}


def row(number):
    def note(function):
        assert number not in ROWS, number
        ROWS[number] = function
        return function

    return note


class Skip(Exception):
    """This machine cannot do it; why."""


class World:
    """What scenarios share: the build, references, random numbers, the same in every run; notes to be printed."""

    def __init__(self, build, folder, seed=1, keep=False):
        self.build, self.keep, self.seed = build, keep, seed
        self.reference = Reference(build, folder)
        self.random = random.Random(seed)
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    @contextlib.contextmanager
    def house(self, *options, start=True, gangs=0, corrupt_allowed=False, ended=True):
        """A house that is looked at in the end, while it serves and after it stopped as it should. ended: every job is
        to have ended by then."""
        with House(self.build, options=options, keep=self.keep) as house:
            if start:
                house.start()
            for _ in range(gangs):
                house.gang()
            if gangs:
                house.wait_for_gangs(gangs)
            try:
                yield house
            except BaseException:
                print(f"--- words of the server\n{tail(house.server_words())}", file=sys.stderr)
                for gang in house.gangs:
                    print(f"--- words of {gang.name}\n{tail(gang.words())}", file=sys.stderr)
                raise
            invariants.check(house.data, corrupt_allowed)
            if ended:
                nobody_left_behind(house)
            if house.server and not house.server.ended():
                status = house.stop_server()
                assert status == 0, f"ffserver ended with {status}: {tail(house.server.words())}"
                invariants.check(house.data, corrupt_allowed)
            invariants.check_secrets(house)


def tail(text, lines=40):
    """The last words but those of answers."""
    return "\n".join([line for line in text.splitlines() if " access " not in line][-lines:])


def nobody_left_behind(house):
    """Every job has ended."""
    with invariants.Database(house.data / "fullfield.db") as db:
        left = [tuple(found) for found in db.rows("SELECT id, state, reason FROM jobs WHERE ended = 0")]
    assert not left, f"jobs that have not ended: {left}"


def timed(function, *arguments):
    begun = time.monotonic()
    function(*arguments)
    return time.monotonic() - begun


def load():
    """Imports every file of this folder; {row: function}."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"scenarios.{module.name}")
    return dict(sorted(ROWS.items()))


__all__ = ["ROWS", "Skip", "World", "row", "tail", "timed", "until"]
