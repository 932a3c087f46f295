#!/usr/bin/python3
"""Faults on purpose, and what has to hold all the same: the rows of the fault matrix (scenarios/), each of which ends
with the invariants (invariants.py), then kills at every crash point of the programs (sweep.py).

  run.py --build build                 everything
  run.py --build build --rows 3,7-9    some rows
  run.py --build build --rows none --kills 1000 --summary bench/fault/kills-1000.json

The last line is `N passed, N failed, N skipped`; the exit status is 0 only if nothing failed.
"""
import argparse
import json
import os
import pathlib
import platform
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent / "py")]  # the fake gang is shared with the Python tests

import scenarios  # noqa: E402  pylint: disable=wrong-import-position
import sweep  # noqa: E402  pylint: disable=wrong-import-position


def parse_rows(text, known):
    if text in ("all", "none"):
        return list(known) if text == "all" else []
    chosen = []
    for part in text.split(","):
        low, _, high = part.partition("-")
        chosen += range(int(low), int(high or low) + 1)
    return [number for number in chosen if number in known]


def title(function):
    return function.__doc__.strip().splitlines()[0].rstrip(".")


def run_row(world, function):
    """(verdict, seconds, what went wrong)"""
    begun, why = time.monotonic(), ""
    world.notes.clear()
    try:
        function(world)
        verdict = "ok"
    except scenarios.Skip as skip:
        verdict, why = "skipped", str(skip)
    except Exception:  # pylint: disable=broad-except
        verdict, why = "FAILED", traceback.format_exc()
    return verdict, time.monotonic() - begun, why


def run_rows(world, rows):
    results = []
    for number, function in rows.items():
        verdict, seconds, why = run_row(world, function)
        print(f"{number:3d}  {title(function):72.72s} {verdict:7s} {seconds:6.1f} s", flush=True)
        for note in world.notes:
            print(f"       {note}")
        if why:
            print("     " + why.strip().replace("\n", "\n     "), flush=True)
        results.append({"row": number, "name": title(function), "verdict": verdict, "seconds": round(seconds, 2)})
    return results


def describe_machine(build):
    version = subprocess.run([pathlib.Path(build) / "bin" / "ffserver", "--version"], capture_output=True, text=True,
                             check=True).stdout.strip()
    return {"version": version, "cores": os.cpu_count(), "machine": platform.machine()}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="folder of bin/")
    parser.add_argument("--rows", default="all", help="like 1,3-5; all; none")
    parser.add_argument("--kills", type=int, default=0, help="kills at crash points")
    parser.add_argument("--points", default="", help="of these crash points only, like queue_begin,transition")
    parser.add_argument("--seed", type=int, default=1, help="of what is random")
    parser.add_argument("--summary", help="JSON file for the outcome")
    parser.add_argument("--keep", action="store_true", help="leave the folders of the servers")
    options = parser.parse_args()
    build = pathlib.Path(options.build).resolve()
    begun = time.monotonic()
    known = scenarios.load()
    with tempfile.TemporaryDirectory(prefix="ff-reference-") as folder:
        world = scenarios.World(build, folder, options.seed, options.keep)
        results = run_rows(world, {number: known[number] for number in parse_rows(options.rows, known)})
        swept = sweep.run(world, options.kills, [point for point in options.points.split(",") if point])
    verdicts = [result["verdict"] for result in results]
    count = {verdict: verdicts.count(verdict) for verdict in ("ok", "FAILED", "skipped")}
    count["ok"] += swept["passed"]
    count["FAILED"] += swept["failed"]
    if options.summary:
        pathlib.Path(options.summary).parent.mkdir(parents=True, exist_ok=True)
        summary = {**describe_machine(build), "seed": options.seed, "seconds": round(time.monotonic() - begun, 1),
                   "rows": results, "sweep": swept}
        pathlib.Path(options.summary).write_text(json.dumps(summary, indent=1) + "\n")
    print(f"{time.monotonic() - begun:.0f} s in all")
    print(f"{count['ok']} passed, {count['FAILED']} failed, {count['skipped']} skipped")
    return 1 if count["FAILED"] else 0


if __name__ == "__main__":
    sys.exit(main())
