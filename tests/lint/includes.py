#!/usr/bin/python3
"""Checks who includes whom: rooms (folders) include only downwards, third-party headers stay in the rooms that own the
library. Usage: includes.py FILE.. ; prints `file:line: what` and exits 1 if a rule is broken.
"""
import re
import sys

# Room -> rooms it may include besides itself and proto/.
ROOMS = {
    "common": [],
    "files": ["common"],
    "worker/core": ["common"],
    "worker/theta": ["common"],
    "worker/sim": ["worker/core", "common"],
    "worker/sample": ["worker/core", "common"],
    "worker/io": ["files", "common"],
    "worker/job": ["worker/io", "worker/sample", "worker/sim", "worker/theta", "worker/core", "files", "common"],
    "worker/gang": ["worker/job", "worker/io", "worker/core", "files", "common"],
    "worker/main": ["worker/gang", "worker/job", "worker/io", "worker/core", "common"],
    "server/queue": ["common"],
    "server/store": ["server/queue", "files", "common"],
    "server/dispatch": ["server/queue", "server/store", "common"],
    "server/http": ["server/queue", "server/store", "server/dispatch", "common"],
    "server/main": ["server/http", "server/queue", "server/store", "server/dispatch", "common"],
    "client/lib": ["files", "common"],
    "client/ffctl": ["client/lib", "files", "common"],
}

# Headers of a room that other rooms may include; rooms not named here are open.
PUBLIC = {
    "worker/theta": {"theta.h", "lightcone.h"},
    "worker/sim": {"sim.h", "spectra.h"},
    "worker/sample": {"chain.h", "target.h", "diagnostics.h"},
}

# Third-party header (by prefix) -> rooms that may include it.
LIBRARIES = {
    "jansson.h": ["common", "worker/io", "worker/job", "worker/gang", "worker/main", "server/queue", "server/store",
                  "server/dispatch", "server/http", "server/main", "client/lib", "client/ffctl"],
    "sodium.h": ["common", "worker/io", "server/queue", "server/store", "server/http"],
    "sqlite3.h": ["server/queue"],
    "zmq.h": ["server/dispatch", "worker/gang"],
    "microhttpd.h": ["server/http"],
    "curl/": ["client/lib"],
    "hdf5": ["files"],
    "fitsio.h": ["files"],
    "png.h": ["files"],
    "fftw3.h": ["worker/core"],
    "gsl/": ["worker/theta", "worker/job", "worker/main"],
    "mpi.h": ["worker/core"],
    "omp.h": ["worker/core", "worker/theta", "worker/sim", "worker/sample", "worker/job", "worker/gang", "worker/main"],
    "cmocka.h": [],
}

STANDARD = set("""assert complex ctype errno fcntl fenv float inttypes limits locale malloc math pthread poll sched
setjmp signal spawn stdalign stdarg stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string strings termios
tgmath threads time unistd pwd grp netdb dirent dlfcn getopt glob libgen ftw immintrin""".split())
STANDARD_FOLDERS = ("sys/", "linux/", "arpa/", "netinet/")

INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


def room_of(path):
    for room in sorted(ROOMS, key=len, reverse=True):
        if path.startswith(room + "/"):
            return room
    return None


def tested_room(path):
    """The room a unit test belongs to: tests/unit/NAME is the last part of the room's path, or `client`."""
    parts = path.split("/")
    if parts[:2] != ["tests", "unit"]:
        return None
    names = {room: (room.split("/")[-1], room.removesuffix("/ffctl"), room.removesuffix("/main")) for room in ROOMS}
    return next((room for room in ROOMS if parts[2] in names[room]), None)


def own_include(path, header):
    """What is wrong with `path` including our own `header`; None if nothing."""
    if header.startswith("proto/") or path.startswith(("tests/bench/", "tests/fuzz/", "tests/load/", "tests/fault/")):
        return None
    target = room_of(header)
    if path.startswith("tests/"):
        room = tested_room(path)
        if room is None:
            return f"no room is tested by {path}"
        if header.startswith("tests/unit/") or "/" not in header:  # what tests of a room share
            return None
        return None if target in [room, *ROOMS[room]] else f"a test of {room} may not include {header}"
    room = room_of(path)
    if room is None:
        return f"{path} is in no room"
    if target is None:
        return f'"{header}" is in no room (includes are written from the root of the tree)'
    if target == room:
        return None
    if target not in ROOMS[room]:
        return f"{room} may not include {header}"
    if target in PUBLIC and header.split("/")[-1] not in PUBLIC[target]:
        return f"{header} is private to {target}"
    return None


def library_include(path, header):
    """What is wrong with `path` including <header>; None if nothing."""
    if header.endswith(".h") and header[:-2] in STANDARD or header.startswith(STANDARD_FOLDERS):
        return None
    for prefix, rooms in LIBRARIES.items():
        if header.startswith(prefix):
            if path.startswith("tests/") or room_of(path) in rooms:
                return None
            return f"<{header}> belongs in {', '.join(rooms) or 'tests'}"
    return f"<{header}> is neither standard nor a library of this build"


def main(paths):
    wrong = 0
    for path in paths:
        with open(path, encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                match = INCLUDE.match(line)
                if not match:
                    continue
                check = own_include if match.group(1) == '"' else library_include
                what = check(path, match.group(2))
                if what:
                    print(f"  {path}:{number}: {what}")
                    wrong += 1
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
