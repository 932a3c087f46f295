"""The light-cone simulator against the independent one (lpt_numpy.py, lpt_theory.py): tables, maps at nominal
amplitude, the linear limit; `ffworker --check`. Arrays come from tests/unit/job/lpt_arrays_test.c, which is given a
job."""
import dataclasses
import json
import os
import subprocess

import numpy as np
import pytest

import lpt_numpy as lpt
import lpt_theory as theory
from conftest import folder
from test_lpt_numpy import PORQUERES23, PORQUERES23_SOURCES, compare

SIZE_RAD = np.radians(16)


@dataclasses.dataclass
class Light:
    """What the program wrote for a job."""

    mesh: lpt.Mesh
    tables: theory.Tables
    latent: np.ndarray
    maps: np.ndarray  # (draws, nbins, npix, npix)


@pytest.fixture(scope="module")
def light(tmp_path_factory):
    """Arrays of porqueres23 with members of lpt, a sigma8 and a field of one's own."""
    program = folder("FF_BIN", "build/bin").parent / "tests/job/lpt_arrays_test"
    if not program.exists():
        pytest.skip(f"{program} is not built")

    def run(members=None, sigma8=0.8, field=None, draws=1):
        out = tmp_path_factory.mktemp("light")
        parameters = {"omega_c": PORQUERES23["omega_c"], "sigma8": sigma8}
        model = {"preset": "porqueres23", "parameters": parameters, "lpt": members or {}, "field": field or {}}
        (out / "job.json").write_text(json.dumps({"kind": "draws", "count": 1, "seed": 11, "model": model}))
        environment = {**os.environ, "FF_LPT_JOB": str(out / "job.json"), "FF_LPT_OUT": str(out),
                       "FF_LPT_DRAWS": str(draws)}
        done = subprocess.run([program], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=240, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        names = ("amplitude", "nodes", "d1", "d2", "weight", "latent", "convergence")
        arrays = {name: np.load(out / f"{name}.npy") for name in names}
        cells, box = (members or {}).get("mesh", [64, 64, 128]), (members or {}).get("box_mpch", [1000, 1000, 4500])
        mesh = lpt.Mesh(tuple(cells), tuple(map(float, box)))
        r = (np.arange(cells[2]) + 0.5) * mesh.side[2]
        tables = theory.Tables(*arrays["nodes"], arrays["amplitude"], arrays["d1"], arrays["d2"], r, arrays["weight"])
        return Light(mesh, tables, arrays["latent"].astype(float), arrays["convergence"].astype(float))

    return run


def own_tables(mesh, sigma8, offset):
    cosmology = theory.Cosmology(**PORQUERES23 | {"sigma8": sigma8})
    sources = [theory.gaussian_source(z, sd) for z, sd in PORQUERES23_SOURCES]
    return theory.light_tables(cosmology, sources, mesh.cells[2], mesh.side[2], offset=offset)


@pytest.mark.parametrize("offset", [0.5, 0.0])
def test_tables_are_those_of_the_theory(light, offset):
    got = light({"offset": offset})
    cosmology = theory.Cosmology(**PORQUERES23)
    expected = own_tables(got.mesh, PORQUERES23["sigma8"], offset)
    nodes = np.exp(got.tables.lnk0 + got.tables.dlnk * np.arange(len(got.tables.amplitude)))
    assert np.allclose(got.tables.amplitude, cosmology.amplitude(nodes), rtol=3e-7)
    assert np.allclose(got.tables.d1, expected.d1, rtol=1e-8) and np.allclose(got.tables.d2, expected.d2, rtol=1e-8)
    assert np.allclose(got.tables.weight, expected.weight, rtol=1e-5, atol=1e-7 * expected.weight.max())


CASES = [({"order": 1}, 1), ({"order": 2}, 2), ({"order": 1, "offset": 0.0, "decic": True}, 1),
         ({"order": 1, "paint": "tsc"}, 1), ({"order": 2, "paint": "tsc", "decic": True}, 2),
         ({"order": 2, "gradient": "spectral"}, 2), ({"order": 1, "gradient": "spectral", "decic": True}, 1)]


@pytest.mark.parametrize("members, order", CASES)
def test_maps_are_those_of_the_independent_code(light, members, order):
    """At nominal amplitude, with the independent tables too: per pixel 1e-4 of the rms."""
    got = light(members)
    tables = own_tables(got.mesh, PORQUERES23["sigma8"], members.get("offset", 0.5))
    expected, _ = lpt.light_cone(got.mesh, tables, got.latent, 64, SIZE_RAD, order, members.get("offset", 0.5),
                                 members.get("gradient", "stencil"), members.get("paint", "cic"),
                                 members.get("decic", False))
    for ours, theirs in zip(got.maps[0], expected):
        off = np.sqrt(((ours - theirs)**2).mean() / (theirs**2).mean())
        assert off < 1e-4, off


@pytest.mark.parametrize("order", [1, 2])
def test_maps_at_a_tenth_of_sigma8_are_linear(light, order):
    """Below a fifth of the pixels' Nyquist frequency maps follow the linear prediction for the same modes within 1 %,
    in amplitude and power of every band."""
    got = light({"order": order}, sigma8=0.08)
    planes = lpt.linear_planes(got.mesh, got.tables, got.latent)
    linear = lpt.linear_maps(got.mesh, got.tables, planes, 64, SIZE_RAD)
    amplitude, power, left = compare(got.maps[0], linear)
    assert amplitude < 0.01 and power < 0.01 and left < 0.03, (amplitude, power, left)


def window(w):
    """Mean square over directions across the line of sight of what painting (CIC, half a cell off, stencils) and
    bilinear rays leave of a wave of w = k side: along an axis of the mesh, and along a diagonal."""
    total = 0.0
    for parts in ((1.0, 0.0), (0.5**0.5, 0.5**0.5)):
        a = [np.maximum(w * part, 1e-9) for part in parts]
        pull = [2 * np.sin(x / 2) * (8 * np.sin(x) - np.sin(2 * x)) / 6 for x in a]
        painted = (pull[0] * np.cos(a[1] / 2) + np.cos(a[0] / 2) * pull[1]) / np.maximum(w, 1e-9)**2
        seen = np.sinc(a[0] / (2 * np.pi))**2 * np.sinc(a[1] / (2 * np.pi))**2
        total = total + (painted * seen)**2 / 2
    return np.where(w < np.pi, total, 0.0)


def limber(tables, side, b, ell):
    """C_l of bin b in linear theory, every plane a thin sheet without waves along the line of sight (as
    lpt_numpy.limber_power), times the windows; waves that the mesh does not have are left out."""
    k = np.maximum(ell[:, None] / tables.r, np.exp(tables.lnk0))
    w = k * side
    lnk = np.log(np.minimum(k, np.pi / side))
    power = lpt.interpolate(tables.lnk0, tables.dlnk, tables.amplitude, lnk)**2 * window(w)
    return (power * (tables.weight[b] * tables.d1 / tables.r)**2).sum(axis=1) / (tables.r[1] - tables.r[0])


def expected_power(cl_of, npix, size_rad, pad=8):
    """Mean |DFT|^2 of a square cut out of a field of spectrum C_l, over the number of pixels: the correlation function
    times the number of pairs of pixels at each distance, transformed."""
    n = pad * npix
    l1 = 2 * np.pi * np.fft.fftfreq(n, size_rad / npix)
    l = np.hypot(l1[:, None], l1[None, :])
    l[0, 0] = l[0, 1]
    xi = np.fft.ifft2(cl_of(l.ravel()).reshape(n, n)).real * (npix / size_rad)**2
    near = np.arange(-npix + 1, npix)
    pairs = npix - np.abs(near)
    weighted = xi[np.ix_(near % n, near % n)] * pairs[:, None] * pairs[None, :]
    phase = np.exp(-2j * np.pi * np.outer(np.arange(npix), near) / npix)
    return (phase @ weighted @ phase.T).real / npix**2


def test_mean_power_of_many_realisations_is_that_of_linear_theory(light):
    """sigma8/10, 100 realisations, every bin and band within 3 sigma of their scatter. The box is as wide as the field,
    so that no ray wraps."""
    draws, npix, size_deg = 100, 24, 6
    box = [480, 480, 4500]
    got = light({"mesh": [48, 48, 64], "box_mpch": box}, 0.08, {"size_deg": size_deg, "npix": npix}, draws)
    assert got.tables.r[-1] * np.radians(size_deg) < box[0]
    modes = np.abs(np.fft.fft2(got.maps))**2 / npix**2
    l = np.hypot(*np.meshgrid(lpt.signed(npix), lpt.signed(npix)))
    for b in range(4):
        power = expected_power(lambda x, b=b: limber(got.tables, got.mesh.side[0], b, x), npix, np.radians(size_deg))
        for low in (0.5, 1.5, 2.5, 3.5):
            band = (l > low) & (l <= low + 1)
            each = modes[:, b, band].mean(axis=1)
            sigma = each.std() / np.sqrt(draws - 1)
            off = (each.mean() - power[band].mean()) / sigma
            assert abs(off) < 3 and sigma < 0.08 * each.mean(), (b, low, each.mean() / power[band].mean(), off)


@pytest.mark.parametrize("members", [{"order": 1}, {"order": 2, "paint": "tsc"},
                                     {"order": 2, "gradient": "spectral", "decic": True}])
def test_the_check_of_a_job_passes(ffworker, tmp_path, members):
    """Differences are taken where no particle changes its cells: CIC has kinks there."""
    model = {"preset": "porqueres23", "field": {"npix": 16}, "lpt": {"mesh": [16, 16, 32], **members}}
    spec = tmp_path / "job.json"
    spec.write_text(json.dumps({"kind": "posterior", "seed": 3, "model": model, "data": {"mock": {"seed": 7}}}))
    done = subprocess.run([ffworker, "--check", spec], capture_output=True, text=True, timeout=120, check=False)
    report = json.loads(done.stdout)
    assert done.returncode == 0 and report["ok"], [c for c in report["checks"] if not c["ok"]] or done.stderr
    assert sorted({c["name"] for c in report["checks"] if c["precision"] == "f64"}) == [
        f"{function}: {what}" for function in ("adjoint", "log density, white")
        for what in ("latent", "omega_c", "sigma8")]
    assert {c["tolerance"] for c in report["checks"]} == {1e-6, 1e-3}
