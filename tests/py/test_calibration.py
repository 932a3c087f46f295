"""Simulation-based calibration of the whole road from a job to a posterior (Talts et al. 2018, arXiv:1804.06788).

Parameters are drawn from the prior, data from the model, and the rank of each truth among (thinned) posterior draws is
uniform when simulator, gradient, transforms and sampler are right. 32 x 32 pixels, one bin, two parameters. Odd runs
are HMC; even ones NUTS, whose transitions cost more and forget more.
"""
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from scipy import stats

RUNS = int(os.environ.get("FF_SBC_RUNS", "200"))
RANKS = 22  # of 21 thinned draws a run
THIN = {"hmc": 4, "nuts": 2}
WARMUP = {"hmc": 60, "nuts": 40}
PRIOR = {"omega_c": (0.27, 0.06), "sigma8": (0.82, 0.12)}


def algorithm(seed):
    return "hmc" if seed % 2 else "nuts"


def job(truth, seed):
    kind = algorithm(seed)
    return {
        "kind": "posterior",
        "seed": seed,
        "model": {
            "simulator": "lognormal",
            "field": {"size_deg": 5, "npix": 32},
            "sources": {"gaussian": [{"z": 1.0, "sd": 0.2, "n_per_arcmin2": 30}]},
            "sigma_e": 0.26,
            "observable": "convergence",
            "parameters": {k: {"normal": list(v), "low": 0.05} for k, v in PRIOR.items()},
        },
        "data": {"mock": {"parameters": truth, "seed": seed + 100000}},
        "sampler": {"algorithm": kind, "chains": 1, "warmup": WARMUP[kind], "draws": (RANKS - 1) * THIN[kind]},
    }


def draw_prior(seed):
    rng = np.random.default_rng(seed)
    truth = {}
    for name, (mean, sd) in PRIOR.items():
        while True:
            truth[name] = float(rng.normal(mean, sd))
            if truth[name] > 0.05:
                break
    return truth


def run(worker, folder, seed):
    truth = draw_prior(seed)
    path, out = folder / f"{seed}.json", folder / f"{seed}.h5"
    path.write_text(json.dumps(job(truth, seed)))
    done = subprocess.run([worker, "--job", path, "-o", out, "--threads", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with h5py.File(out) as f:
        ranks = [int(np.sum(f["posterior"][k][0, :: THIN[algorithm(seed)]] < truth[k])) for k in PRIOR]
    out.unlink()
    return ranks


@pytest.mark.slow
def test_ranks_are_uniform(ffworker, tmp_path):
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ranks = np.array(list(pool.map(lambda s: run(ffworker, tmp_path, s), range(1, RUNS + 1))))
    for i, name in enumerate(PRIOR):
        counts = np.bincount(ranks[:, i] // 2, minlength=RANKS // 2)
        p = stats.chisquare(counts).pvalue
        print(f"{name}: {RUNS} runs, rank counts {counts.tolist()}, chi-square p = {p:.3f}")
        assert p > 0.01, f"{name}: ranks {counts.tolist()} are not uniform, p = {p:.2g}; expected p > 0.01"
