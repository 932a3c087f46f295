"""Small jobs, and what their results have to be: those of an undisturbed `ffworker --job`, to the bit."""
import json
import pathlib
import subprocess

import h5py

MODEL = {
    "simulator": "lognormal",
    "field": {"size_deg": 5, "npix": 16},
    "sources": {"gaussian": [{"z": 0.8, "sd": 0.15, "n_per_arcmin2": 15}]},
    "sigma_e": 0.26,
    "parameters": {"omega_c": {"normal": [0.27, 0.06], "low": 0.05}, "sigma8": {"uniform": [0.4, 1.3]}},
}
DRAWS = {"kind": "draws", "seed": 11, "count": 30, "chunk": 10, "model": MODEL}
SIMULATE = {"kind": "simulate", "seed": 12, "count": 2, "outputs": ["convergence", "spectra"], "model": MODEL}
SPECTRUM = {"kind": "spectrum", "ell": [100, 300, 1000], "model": MODEL}


def noop(count=1, sleep_s=0.0, **members):
    return {"kind": "noop", "count": count, "sleep_s": sleep_s, **members}


def posterior(draws=60, warmup=30, chains=2, npix=16, **sampler):
    model = {**MODEL, "field": {**MODEL["field"], "npix": npix}}
    return {"kind": "posterior", "seed": 5, "model": model, "data": {"mock": {"seed": 7}},
            "sampler": {"chains": chains, "warmup": warmup, "draws": draws, **sampler}}


def contents(path):
    """Every dataset as its bytes, but those that tell how long something took."""
    found = {}

    def take(name, item):
        if isinstance(item, h5py.Dataset) and not name.rpartition("/")[2].startswith("seconds"):
            values = item[()]
            found[name] = (values.tolist() if values.dtype == object else
                           (str(values.dtype), values.shape, values.tobytes()))

    with h5py.File(path) as file:
        file.visititems(take)
    return found


def differences(path, expected):
    """Names of datasets that are not what they should be."""
    found = contents(path)
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))


class Reference:
    """Results of jobs run alone, computed once."""

    def __init__(self, build, folder):
        self.ffworker, self.folder = pathlib.Path(build) / "bin" / "ffworker", pathlib.Path(folder)
        self.known = {}

    def of(self, job):
        text = json.dumps(job, sort_keys=True)
        if text not in self.known:
            path = self.folder / f"reference{len(self.known)}.json"
            path.write_text(text)
            result = path.with_suffix(".h5")
            subprocess.run([self.ffworker, "--job", path, "-o", result, "--threads", "1"], stdin=subprocess.DEVNULL,
                           capture_output=True, check=True, timeout=120)
            self.known[text] = contents(result)
        return self.known[text]

    def check(self, house, job, spec):
        """Downloads the result of a job that succeeded and compares."""
        wrong = differences(house.download(job), self.of(spec))
        assert not wrong, f"{job}: these datasets are not those of an undisturbed run: {wrong}"
