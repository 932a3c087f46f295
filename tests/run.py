#!/usr/bin/python3
"""Runs unit test programs (cmocka, TAP on stdout) and the Python tests, and counts them together.

The last line is `N passed, N failed, N skipped`; the exit status is 0 only if nothing failed. A program that crashes,
hangs, or ends before its plan counts as failed, whatever it printed. Test programs are listed on the command line.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent
SLOW = HERE / "run_slow.txt"  # programs left out of the quick part, one `room/name_test` a line

# Python tests that wait for servers and ranks, or are short: together they take as long as those that compute for long.
SECOND = re.compile(r"test_(comm|dispatch|ffctl_|gang|http|invariants|lpt|ranks|scaling|security|server|service|ui)")

TAP_LINE = re.compile(r"^(not )?ok (\d+)\b(.*)$")
TAP_PLAN = re.compile(r"^1\.\.(\d+)$")


class Count:
    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def count_tap(text, status):
    """Counts one program's TAP; cmocka 1.1.5 writes a skipped test as `not ok N # SKIP name`."""
    count, planned = Count(), 0
    for line in text.splitlines():
        plan, result = TAP_PLAN.match(line), TAP_LINE.match(line)
        if plan:
            planned += int(plan.group(1))
        elif result and "# SKIP" in result.group(3):
            count.skipped += 1
        elif result and result.group(1):
            count.failed += 1
        elif result:
            count.passed += 1
    seen = count.passed + count.failed + count.skipped
    count.failed += max(0, planned - seen)
    if (status != 0 or seen == 0) and count.failed == 0:
        count.failed = 1
    return count


def environment(options):
    env = dict(os.environ)
    env.setdefault("OMP_NUM_THREADS", "2")
    env.setdefault("OMP_WAIT_POLICY", "passive")
    env.setdefault("FF_SHARED", str(ROOT.parent / "shared"))
    env.setdefault("FF_BIN", str((pathlib.Path(options.build) / "bin").resolve()))
    if options.sanitized:
        env["ASAN_OPTIONS"] = "fast_unwind_on_malloc=0:detect_leaks=1:allocator_may_return_null=1"
        env["UBSAN_OPTIONS"] = "print_stacktrace=1"
        env["LSAN_OPTIONS"] = f"suppressions={HERE / 'run_leaks.supp'}:print_suppressions=0"
    return env


def unwinding(program, env):
    """Leaks of MPI's start-up are told from ours by callers that only slow unwinding finds; for a program without MPI
    that would be twenty times slower for nothing."""
    if "ASAN_OPTIONS" not in env:
        return env
    code = pathlib.Path(program).read_bytes()
    if b"libmpi" in code or b"libhdf5" in code:
        return env
    return dict(env, ASAN_OPTIONS=env["ASAN_OPTIONS"].replace("fast_unwind_on_malloc=0", "fast_unwind_on_malloc=1"))


def run_program(program, env, timeout_s):
    start = time.monotonic()
    try:
        done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=unwinding(program, env), cwd=ROOT, timeout=timeout_s, check=False)
        status, raw, why = done.returncode, done.stdout, ""
    except subprocess.TimeoutExpired as late:
        status, raw, why = 124, late.stdout or b"", f"# stopped after {timeout_s} s\n"
    except OSError as error:
        status, raw, why = 127, b"", f"# cannot be started: {error}\n"
    if status < 0:
        why = f"# ended by signal {-status}\n"
    text = raw.decode(errors="replace")
    return program, count_tap(text, status), text + why, time.monotonic() - start


def short_name(program):
    return "/".join(pathlib.Path(program).parts[-2:])


def run_units(options, env):
    slow = set(SLOW.read_text().split()) if options.quick else set()
    programs = [p for p in options.programs if short_name(p) not in slow]
    for program in options.programs:
        if short_name(program) in slow:
            print(f"{short_name(program):40s} left out of the quick part")
    total = Count()
    with concurrent.futures.ThreadPoolExecutor(options.jobs) as pool:
        results = pool.map(lambda p: run_program(p, env, options.timeout), programs)
        for program, count, text, seconds in results:
            print(f"{short_name(program):40s} {count}  ({seconds:.1f} s)", flush=True)
            if count.failed:
                print("\n".join("    " + line for line in text.splitlines()[-200:]), flush=True)
            elif count.skipped:
                reasons = [line for line in text.splitlines() if "SKIP" in line or line.startswith("# skip")]
                print("\n".join("    " + line for line in reasons), flush=True)
            total.add(count)
    return total


def pytest_groups(options):
    """Files of the Python tests, in two groups that run side by side."""
    if options.py_files:
        return [[HERE / "py" / name for name in options.py_files]]
    files = sorted((HERE / "py").glob("test_*.py"))
    groups = [[f for f in files if bool(SECOND.search(f.name)) == second] for second in (False, True)]
    return [group for group in groups if group]


def run_pytest_group(options, env, number, files):
    """One pytest; returns its text and count."""
    report = pathlib.Path(options.build).resolve() / f"pytest-{number}.xml"
    report.unlink(missing_ok=True)
    command = [options.py, "-m", "pytest", "-q", "-rfEs", "--durations=8", "-p", "no:cacheprovider",
               f"--junitxml={report}", *map(str, files)]
    if options.quick:
        command += ["-m", "not slow"]
    # Plugins that happen to be installed change the meaning of markers.
    env = dict(env, PYTHONDONTWRITEBYTECODE="1", MPLBACKEND="Agg", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1")
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env=env, cwd=ROOT, timeout=5 * options.timeout, check=False)
        status, text = done.returncode, done.stdout
    except subprocess.TimeoutExpired as late:
        status, text = 124, late.stdout or b""
    text = text.decode(errors="replace")
    if not report.exists():
        return f"{text}\npytest ended with status {status} and no report", Count(failed=1)
    count = Count()
    for suite in xml.etree.ElementTree.parse(report).getroot().iter("testsuite"):
        failed = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        count.add(Count(int(suite.get("tests", 0)) - failed - skipped, failed, skipped))
    if status not in (0, 1) and count.failed == 0:
        count.failed = 1
    return text, count


def run_pytest(options, env):
    total = Count()
    groups = pytest_groups(options)
    with concurrent.futures.ThreadPoolExecutor(len(groups)) as pool:
        for text, count in pool.map(lambda g: run_pytest_group(options, env, *g), enumerate(groups)):
            print(text, flush=True)
            total.add(count)
    return total


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build", help="build folder; its bin/ is tested by the Python tests")
    parser.add_argument("--py", help="Python interpreter for the Python tests; without it they are not run")
    parser.add_argument("--py-files", nargs="*", help="of tests/py, not all of it")
    parser.add_argument("--quick", action="store_true", help="leave out what is slow")
    parser.add_argument("--sanitized", action="store_true", help="the programs are built with ASan and UBSan")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="test programs side by side")
    parser.add_argument("--timeout", type=int, default=240, help="seconds for one test program")
    parser.add_argument("--programs", nargs="*", default=[], help="unit test programs")
    options = parser.parse_args()
    env = environment(options)
    total = run_units(options, env)
    if options.py:
        total.add(run_pytest(options, env))
    print(total)
    return 1 if total.failed else 0


if __name__ == "__main__":
    sys.exit(main())
