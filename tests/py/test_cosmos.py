"""Real HST/COSMOS shear (Schrabback et al. 2010): nulls that must show nothing, a signal that must be there.

Nulls: every galaxy rotated by 45 degrees, and 20 catalogues with each galaxy rotated at random. Skips where the data is
absent.
"""
import json
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest
from conftest import folder
from scipy import ndimage, stats

COSMOS = folder("FF_SHARED", "../shared") / "data" / "cosmos"
pytestmark = [pytest.mark.slow, pytest.mark.skipif(not (COSMOS / "ra.fits").exists(), reason=f"{COSMOS} is absent")]
NULLS = ["45"] + [f"random:{seed}" for seed in range(1, 21)]


def catalog(ffctl, out, *options, npix=32):
    columns = [COSMOS / f"{name}.fits" for name in ("ra", "dec", "e1", "e2", "nhweight_int")]
    command = [ffctl, "catalog", *columns, "--npix", str(npix), "--size-deg", "1.4", "--sigma-e", "0.3095",
               "--rows", "165159:", "--flip-e2", *options, "-o", out]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def posterior(ffworker, data, draws, npix=32, seed=1):
    job = {
        "kind": "posterior",
        "seed": seed,
        "model": {"preset": "cosmos", "field": {"npix": npix},
                  "parameters": {"omega_c": {"uniform": [0.05, 0.6]}, "sigma8": {"uniform": [0.3, 1.5]}}},
        "data": {"dataset": f"@{data}"},
        "sampler": {"algorithm": "hmc", "chains": 1, "warmup": 60, "draws": draws},
    }
    path, out = data.with_suffix(".json"), data.with_suffix(".result.h5")
    path.write_text(json.dumps(job))
    done = subprocess.run([ffworker, "--job", path, "-o", out, "--threads", "1"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


@pytest.fixture(scope="module")
def nulls(ffctl, ffworker, tmp_path_factory):
    where = tmp_path_factory.mktemp("nulls")

    # Each has a seed of its own: p-values against the same replicas would share those replicas' scatter, and a test of
    # uniformity takes them as independent.
    def one(numbered):
        seed, rotation = numbered
        data = catalog(ffctl, where / f"{rotation.replace(':', '-')}.h5", "--rotate", rotation)
        return posterior(ffworker, data, draws=320, seed=seed)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(one, enumerate(NULLS, 1)))


@pytest.fixture(scope="module")
def signal(ffctl, ffworker, tmp_path_factory):
    where = tmp_path_factory.mktemp("signal")
    return posterior(ffworker, catalog(ffctl, where / "real.h5"), draws=400)


def noise_power(paths):
    """E power of noise: a rotation leaves it as it is, so the replicas of all the jobs are of one kind."""
    powers = []
    for path in paths:
        with h5py.File(path) as f:
            powers.append(f["posterior_predictive/e_noise"][0])
    return np.mean(powers, axis=0)


def amplitude(path, template, noise):
    """Amplitude of an E power of the shape of `template` above the noise, and its error for no signal."""
    with h5py.File(path) as f:
        p = f["posterior_predictive"]
        data, modes = p["e_data"][0], p["band_modes"][()]
    variance = 2 * noise**2 / modes
    norm = np.sum(template**2 / variance)
    return np.sum((data - noise) * template / variance) / norm, 1 / np.sqrt(norm)


def unlikely_ratio(path, template, noise, chance):
    """Amplitude over error that Gaussian noise exceeds with this chance: few modes carry most of the weight, and the
    power of a few modes is skewed."""
    with h5py.File(path) as f:
        modes = f["posterior_predictive/band_modes"][()]
    rng = np.random.default_rng(1)
    power = noise * rng.chisquare(modes, (200000, len(modes))) / modes
    weight = template * modes / (2 * noise**2)
    norm = np.sum(template * weight)
    return np.quantile((power - noise) @ weight / np.sqrt(norm), [chance, 1 - chance])


def test_nulls_cover_zero_signal(nulls, signal):
    """By the amplitude of band powers, which noise scatters to both sides of zero. An inferred amplitude (only m_1
    free) cannot stand here: m_1 >= -1 leaves it no sign, so that no signal is the edge of its prior, where intervals
    of highest density need not cover as often as they say; and 21 such chains take minutes."""
    with h5py.File(signal) as f:
        template = f["posterior_predictive/e_mean"][0]
    noise = noise_power(nulls)
    ratios = np.array([a / s for a, s in (amplitude(path, template, noise) for path in nulls)])
    inside = int(np.sum(np.abs(ratios) < 1))
    print(f"amplitude of the signal's shape in units of its error: mean {ratios.mean():.2f}, "
          f"rms {np.sqrt(np.mean(ratios**2)):.2f}, largest {np.abs(ratios).max():.2f}; "
          f"{inside} of {len(ratios)} within one error")
    low, high = stats.binom.interval(0.998, len(ratios), 0.6827)
    assert low <= inside <= high, (f"{inside} of {len(ratios)} intervals of 68 % cover zero; "
                                   f"expected {low:.0f} to {high:.0f}")
    lowest, highest = unlikely_ratio(nulls[0], template, noise, 1e-3 / len(ratios))
    print(f"chance of one in a thousand that noise alone leaves [{lowest:.2f}, {highest:.2f}]")
    assert np.all((ratios > lowest) & (ratios < highest)), ratios
    strength, error = amplitude(signal, template, noise)
    assert strength / error > 4, f"the unrotated catalogue shows {strength / error:.1f} errors; expected a detection"


def test_b_modes_of_nulls_are_uniform(nulls, signal):
    totals, bands = [], []
    for path in nulls:
        with h5py.File(path) as f:
            totals.append(f["posterior_predictive/b_total_p"][0])
            bands.append(f["posterior_predictive/b_data_p"][0])
    for what, values in (("total", np.array(totals[1:])), ("bands", np.array(bands[1:]).ravel())):
        p = stats.kstest(values, "uniform").pvalue
        print(f"B-mode p-values of random rotations, {what}: {np.round(values[:21], 2).tolist()}, KS p = {p:.3f}")
        assert p > 0.01, f"B-mode p-values ({what}) are not uniform: KS p = {p:.2g}"
    with h5py.File(signal) as f:
        assert f["posterior_predictive/b_total_p"][0] > 0.01, "the unrotated catalogue shows B modes"


def test_nulls_infer_less_than_the_signal(nulls, signal):
    with h5py.File(signal) as f:
        s8 = f["posterior/S8"][()].ravel()
    lowest = np.percentile(s8, 16)
    for path in nulls:
        with h5py.File(path) as f:
            assert np.median(f["posterior/S8"][()]) < lowest, f"{path.name} infers a signal"


def test_signal_agrees_with_the_published_amplitude(signal):
    """sigma8 (Omega_m/0.3)^0.51 = 0.75 +- 0.08 with tomography (Schrabback et al. 2010); one bin is wider."""
    with h5py.File(signal) as f:
        value = f["posterior/sigma8"][()] * (f["posterior/omega_m"][()] / 0.3) ** 0.51
    mean, sd = value.mean(), value.std()
    print(f"sigma8 (Om/0.3)^0.51 = {mean:.3f} +- {sd:.3f} (published 0.75 +- 0.08)")
    assert abs(mean - 0.75) < 2.5 * np.hypot(sd, 0.08)


def test_mass_map_peaks_at_xray_groups(signal):
    """The mean convergence at X-ray groups is above that of the same positions shifted at random."""
    text = (COSMOS / "xray_groups.txt").read_text()
    lines = [l.split() for l in text.splitlines() if l.strip() and not l.startswith("#")]
    position = np.array([[float(v) for v in l[1:3]] for l in lines if len(l) > 2])
    with h5py.File(signal) as f:
        kappa = f["maps/convergence_mean"][0]
        ra, dec, size = (f["maps"].attrs[k] for k in ("ra_deg", "dec_deg", "size_deg"))
    n, pixel = kappa.shape[0], size / kappa.shape[0]
    x = ((position[:, 0] - ra) * np.cos(np.radians(dec)) + size / 2) / pixel - 0.5
    y = (position[:, 1] - dec + size / 2) / pixel - 0.5
    inside = (x > 0) & (x < n - 1) & (y > 0) & (y < n - 1)
    x, y = x[inside], y[inside]
    assert len(x) > 20
    rng = np.random.default_rng(1)

    def mean_at(dx, dy):
        return ndimage.map_coordinates(kappa, [(y + dy) % (n - 1), (x + dx) % (n - 1)], order=1).mean()

    shifted = np.array([mean_at(*rng.uniform(0, n - 1, 2)) for _ in range(2000)])
    excess = (mean_at(0, 0) - shifted.mean()) / shifted.std()
    print(f"mean convergence at {len(x)} X-ray groups: {excess:.1f} sds above random shifts")
    assert excess > 2
