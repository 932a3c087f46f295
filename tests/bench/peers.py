#!/usr/bin/python3
"""`make bench-peers`: what others' programs for the same models take on this machine, and ours, in one run. Installs
JaxPM, jax_cosmo and numpyro from PyPI into BUILD/peers (once), runs tests/bench/peer_*.py there and programs of
BUILD/bench, each case in a process of its own, prints time, peak memory and ratio side by side and writes
BUILD/peers.json: a list of {"name", "unit", "peer", "ours", "ratio"}, ratio = peer/ours, null where one of them is
absent.

Times are medians after compilation; memory is the process's largest resident size, what a compiler took of it included.
Ours: a program of BUILD/bench that prints `name value unit [threads]` lines; the row of most threads counts.
lpt_bench MESH ORDER is to print lpt_value_MESH_orderO and lpt_gradient_MESH_orderO in ms for this case alone. Without
PyPI: a message, and exit status 0.
"""
import argparse
import dataclasses
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ENVIRONMENTS = {  # what is measured is these versions; others may want other calls
    "lpt": ["jax==0.10.2", "JaxPM==0.1.6", "jaxdecomp==0.3.1", "jax-cosmo==0.1.0", "packaging"],
    "lognormal": ["jax==0.4.31", "jaxlib==0.4.31", "numpyro==0.15.3", "jax-cosmo==0.1.0", "numpy<2",
                  "tensorflow-probability==0.24.0"],
}


@dataclasses.dataclass
class Case:
    name: str
    environment: str
    arguments: list
    memory_gb: float  # that the peer needs, as measured; it is not run with less
    program: str  # of ours
    own_arguments: list
    value: str  # our rows; None: we have no such figure
    gradient: str


def lpt_case(mesh, order, memory_gb):
    name = f"{mesh}_order{order}"
    return Case(f"lpt_{name}", "lpt", [mesh, order], memory_gb, "lpt_bench", [mesh, order], f"lpt_value_{name}",
                f"lpt_gradient_{name}")


CASES = [
    lpt_case("64x64x128", 1, 3),
    lpt_case("64x64x128", 2, 3),
    Case("lognormal_256x256x5", "lognormal", ["256x256x5"], 4, "gradient_bench", [], None,
         "log_density_gradient_white_256x256x5"),
    lpt_case("256x256x256", 1, 16),
    lpt_case("256x256x256", 2, 18),
]


def install(folder, packages):
    """A virtual environment with these packages; False where PyPI does not give them. Made anew when the list
    changes."""
    stamp, wanted = folder / ".installed", "\n".join(packages) + "\n"
    if stamp.exists() and stamp.read_text() == wanted:
        return True
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    print(f"from PyPI into {folder}: {' '.join(packages)}", flush=True)
    done = subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                           "--retries", "1", "--timeout", "20", *packages], stdin=subprocess.DEVNULL, check=False)
    if done.returncode == 0:
        stamp.write_text(wanted)
    return done.returncode == 0


def run(command, log):
    """Rows of `name value unit [threads]` as {name: value} of the most threads, and peak memory in GB; None if it
    failed."""
    with open(log, "w", encoding="utf-8") as errors:
        process = subprocess.Popen(list(map(str, command)), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=errors, text=True)
        text = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        print(f"{' '.join(map(str, command))}: ended with {process.returncode}, see {log}", flush=True)
        return None
    rows = {}
    for words in map(str.split, text.splitlines()):
        threads = int(words[3]) if len(words) == 4 else 1
        if len(words) in (3, 4) and threads >= rows.get(words[0], (0, 0))[0]:
            rows[words[0]] = threads, float(words[1])
    return {name: value for name, (_, value) in rows.items()}, usage.ru_maxrss * 1024 / 1e9


def available_gb():
    for line in pathlib.Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024 / 1e9
    return float("inf")


class Peers:
    def __init__(self, build):
        self.build, self.rows = pathlib.Path(build).resolve(), []
        self.folder = self.build / "peers"
        self.folder.mkdir(parents=True, exist_ok=True)

    def add(self, name, unit, peer, ours):
        ratio = peer / ours if peer and ours else None
        self.rows.append({"name": name, "unit": unit, "peer": peer, "ours": ours, "ratio": ratio})
        texts = [f"{x:11.4g}" if x else f"{'-':>11}" for x in (peer, ours, ratio)]
        print(f"{name:36s} {unit:4s} {' '.join(texts)}", flush=True)

    def peer(self, case):
        if not (self.folder / case.environment / ".installed").exists():
            return {}, None
        if available_gb() < case.memory_gb:
            print(f"{case.name}: skipped, needs {case.memory_gb} GB and {available_gb():.1f} GB are free", flush=True)
            return {}, None
        python = self.folder / case.environment / "bin" / "python"
        command = [python, HERE / f"peer_{case.environment}.py", *case.arguments]
        return run(command, self.folder / f"{case.name}.log") or ({}, None)

    def ours(self, case):
        program = self.build / "bench" / case.program
        if not program.exists():
            print(f"{case.name}: ours is absent, {program} is not built", flush=True)
            return {}, None
        return run([program, *case.own_arguments], self.folder / f"{case.name}-ours.log") or ({}, None)

    def measure(self, case):
        (ours, own_memory), (peer, memory) = self.ours(case), self.peer(case)
        self.add(f"{case.name}_value", "ms", peer.get("value"), ours.get(case.value))
        self.add(f"{case.name}_gradient", "ms", peer.get("gradient"), ours.get(case.gradient))
        self.add(f"{case.name}_memory", "GB", memory, own_memory)
        if "gradient_compile" in peer:
            self.add(f"{case.name}_compile", "s", peer["gradient_compile"], None)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--only", default="", help="cases whose name has this in it")
    options = parser.parse_args()
    peers = Peers(options.build)
    cases = [case for case in CASES if options.only in case.name]
    installed = [install(peers.folder / name, ENVIRONMENTS[name]) for name in sorted({c.environment for c in cases})]
    if not any(installed):
        print("skipped: PyPI cannot be reached, or does not have these versions; no peer was measured")
        return 0
    load = os.getloadavg()[0]
    if load > 0.3 * len(os.sched_getaffinity(0)):
        print(f"warning: the load of this machine is {load:.1f}; figures will be worse than on an idle one")
    print(f"{'name':36s} {'unit':4s} {'peer':>11} {'ours':>11} {'peer/ours':>11}")
    for case in cases:
        peers.measure(case)
    out = peers.build / "peers.json"
    out.write_text(json.dumps(peers.rows, indent=1) + "\n")
    print(f"written: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
