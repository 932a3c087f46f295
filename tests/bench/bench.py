#!/usr/bin/python3
"""`make bench`: how fast, and how near to what this machine can do. Runs the programs of tests/bench (each prints
`name value unit [threads]` lines) and some jobs, sets each figure beside a limit measured in the same run (memory
bandwidth, plain FFTW), prints a table and writes BUILD/bench.json: a list of {"name", "value", "unit", "limit",
"ratio", "threads"}; ratio = value/limit, limit and ratio null where the machine sets none.
"""
import argparse
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import h5py
import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
LIMITS_FIRST = ("bandwidth", "fftw_reference")  # programs that measure the machine itself
FLOAT = 4
REFERENCE_FLOATS = 5 * 256 * 256  # reals of one set of maps of the reference model
# Sets of maps that have to be read or written once, whatever the code: gradient: latent, its cotangent, data, weights,
# and two transforms of two passes, each read and written; draw: latent, map out, one transform; pixels of a gradient:
# field in, cotangent out, data, weights.
GRADIENT_SETS, DRAW_SETS, PIXEL_SETS = 4 + 8, 2 + 4, 4
SEEDS = [(1, 7), (2, 17), (3, 27)]  # of the chains, of the mock
PUBLISHED_NOISE = "0.0477381"  # 0.26 / sqrt(27 galaxies per square arcminute / 5 bins * the pixel's area)
COMBINATIONS = [("wiener", "rotation"), ("wiener", "leapfrog"), ("none", "rotation"), ("none", "leapfrog")]


class Bench:
    def __init__(self, build):
        self.build = pathlib.Path(build)
        self.rows = []

    def add(self, name, value, unit, threads, limit=None):
        ratio = value / limit if limit else None
        self.rows.append({"name": name, "value": value, "unit": unit, "limit": limit, "ratio": ratio,
                          "threads": threads})
        limit_text = f"{limit:11.4g} {ratio:7.2f}" if limit else f"{'-':>11} {'-':>7}"
        print(f"{name:50s} {threads:2d} {value:11.4g} {unit:22s} {limit_text}", flush=True)

    def find(self, name, threads=None):
        """Value of a row; None when absent."""
        for row in self.rows:
            if row["name"] == name and threads in (None, row["threads"]):
                return row["value"]
        return None

    def memory_ms(self, sets, threads):
        """Least time to move `sets` sets of maps of the reference model through memory."""
        bandwidth = self.find("memory_triad", threads) or self.find("memory_triad")
        return 1e3 * sets * REFERENCE_FLOATS * FLOAT / (bandwidth * 1e9) if bandwidth else None

    def fft_ms(self, threads):
        """Time of one r2c and one c2r of the reference model's maps with plain FFTW."""
        return self.find("fftw_pair_256x256x5", threads)

    def limits(self, name, threads):
        """The machine's limits for a figure that a program prints: [(suffix of the row's name, limit)]."""
        if name.startswith("log_density_gradient") and "256x256x5" in name:
            return [("_vs_fft", self.fft_ms(threads)), ("_vs_memory", self.memory_ms(GRADIENT_SETS, threads))]
        if re.match(r"part_.*_fft_256x256x5", name):
            return [("", self.fft_ms(threads))]
        if re.match(r"part_.*_pixels_256x256x5", name):
            return [("", self.memory_ms(PIXEL_SETS, threads))]
        if re.match(r"part_.*_fields_256x256x5|(slab|lpt)_.*_rate", name):
            return [("", self.find("memory_triad", threads))]
        return [("", None)]


def run_program(bench, program):
    """Rows of `name value unit [threads]`."""
    done = subprocess.run([program], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, cwd=ROOT, check=True)
    for line in done.stdout.splitlines():
        words = line.split()
        if line.startswith("#") or len(words) not in (3, 4):
            continue
        threads = int(words[3]) if len(words) == 4 else 1
        for suffix, limit in bench.limits(words[0], threads):
            bench.add(words[0] + suffix, float(words[1]), words[2], threads, limit)


def run_job(bench, job, name, threads):
    """Runs a job; returns its result (an open h5py file) and seconds of wall time."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="bench-", dir=bench.build))
    spec, result = folder / f"{name}.json", folder / f"{name}.h5"
    spec.write_text(json.dumps(job))
    start = time.monotonic()
    subprocess.run([bench.build / "bin" / "ffworker", "--job", spec, "-o", result, "--threads", str(threads)],
                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, check=True)
    seconds = time.monotonic() - start
    file = h5py.File(result)
    result.unlink()
    spec.unlink()
    folder.rmdir()
    return file, seconds


def bench_draws(bench, threads, count=400):
    """Draws of the reference model with varying theta, a second; start-up taken out by a second, short run."""
    seconds = []
    for n in (count, 16):
        job = {"kind": "draws", "model": {"preset": "lsst-y10"}, "count": n, "chunk": 64}
        file, wall = run_job(bench, job, "draws", threads)
        file.close()
        seconds.append(wall)
    rate = (count - 16) / (seconds[0] - seconds[1])
    fft, memory = bench.fft_ms(1), bench.memory_ms(DRAW_SETS, threads)
    bench.add("draws_256x256x5_vs_fft", rate, "1/s", threads, threads * 2e3 / fft if fft else None)
    bench.add("draws_256x256x5_vs_memory", rate, "1/s", threads, 1e3 / memory if memory else None)


def bench_combination(bench, threads, npix, whiten, integrator, ess):
    """One combination of coordinates and integrator."""
    job = {"kind": "posterior", "model": {"preset": "lsst-y10", "field": {"npix": npix}}, "data": {"mock": {"seed": 7}},
           "sampler": {"chains": 2, "warmup": 100, "integrator": integrator, "whiten": whiten,
                       "until": {"ess": ess, "rhat": 1.05, "max_draws": 1000}}}
    bench_posterior(bench, threads, job, f"{npix}x{npix}x5_{whiten}_{integrator}")


def bench_example(bench, threads, seed, data_seed):
    """examples/lsst-y10.json as users run it, on a mock of ours."""
    job = json.loads((ROOT / "examples" / "lsst-y10.json").read_text()) | {"seed": seed}
    job["data"] = {"mock": {"seed": data_seed}}
    bench_posterior(bench, threads, job, f"lsst-y10_mock_{data_seed}_seed_{seed}")


def bench_published(bench, threads, seed):
    """The same on the published map of this model, with its makers' table of shifts and the map's own variance."""
    folder = pathlib.Path(os.environ.get("FF_SHARED", ROOT.parent / "shared")) / "data" / "lsst_y10_mock"
    maps, shift = bench.build / "bench-map.h5", bench.build / "bench-shift.h5"
    for source, target, options in [
            ("convergence_256x256x5.npy", maps, ["--as", "convergence", "--axes", "y,x,bin", "--size-deg", "10",
                                                 "--noise-sd", PUBLISHED_NOISE]),
            ("shift_table.npy", shift, ["--as", "shift"])]:
        if not (folder / source).exists():
            print(f"skipped: {folder / source} is not there")
            return
        subprocess.run([bench.build / "bin" / "ffctl", "convert", folder / source, *options, "-o", target],
                       stdin=subprocess.DEVNULL, check=True)
    job = json.loads((ROOT / "examples" / "lsst-y10.json").read_text()) | {"seed": seed}
    job["data"] = {"dataset": f"@{maps.resolve()}"}
    job["model"]["lognormal"] = {"shift": {"table": f"@{shift.resolve()}"}, "variance": "empirical"}
    bench_posterior(bench, threads, job, f"lsst-y10_published_seed_{seed}")
    maps.unlink()
    shift.unlink()


def bench_posterior(bench, threads, job, label):
    file, wall = run_job(bench, job, "posterior", threads)
    with file:
        free = [name for name in file["posterior"] if name in job_parameters()]
        names = [name.decode() for name in file["diagnostics/parameter"][()]]
        ess_bulk = dict(zip(names, file["diagnostics/ess_bulk"][()]))
        gradients = float(np.asarray(file["diagnostics/gradients"][()]).sum())
        least = min(ess_bulk[name] for name in free)
        rhat = float(np.nanmax(file["diagnostics/rhat"][()]))
    bench.add(f"gradients_per_min_ess_{label}", gradients / least, "gradients", threads)
    bench.add(f"posterior_ms_per_gradient_{label}", 1e3 * wall / gradients, "ms", threads)
    bench.add(f"min_ess_per_s_{label}", least / wall, "1/s", threads)
    bench.add(f"min_ess_{label}", least, "draws", threads)
    bench.add(f"rhat_{label}", rhat, "", threads)


def job_parameters():
    preset = json.loads((ROOT / "proto" / "presets" / "lsst-y10.json").read_text())
    return [name for name, prior in preset["parameters"].items() if isinstance(prior, dict)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build")
    parser.add_argument("--quick", action="store_true", help="no posteriors")
    parser.add_argument("--full", action="store_true", help="also the posterior of the reference model at 256 x 256, "
                        "of three mocks and of the published map with three seeds")
    parser.add_argument("programs", nargs="*")
    options = parser.parse_args()
    bench = Bench(options.build)
    threads = int(os.environ.get("OMP_NUM_THREADS", len(os.sched_getaffinity(0))))
    load = os.getloadavg()[0]
    if load > 0.3 * threads:
        print(f"warning: the load of this machine is {load:.1f}; figures will be worse than on an idle one")
    print(f"{'name':50s} {'th':>2} {'value':>11} {'unit':22s} {'limit':>11} {'ratio':>7}")
    for program in sorted(options.programs, key=lambda p: pathlib.Path(p).name not in LIMITS_FIRST):
        run_program(bench, program)
    bench_draws(bench, threads)
    for whiten, integrator in [] if options.quick else COMBINATIONS:
        bench_combination(bench, threads, 64, whiten, integrator, 200)
    for seed, data_seed in SEEDS if options.full else []:
        bench_example(bench, threads, seed, data_seed)
        bench_published(bench, threads, seed)
    out = bench.build / "bench.json"
    out.write_text(json.dumps(bench.rows, indent=1) + "\n")
    print(f"written: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
