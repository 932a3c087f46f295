"""The LPT light-cone of docs: physics, section 6, with JaxPM and jax_cosmo (run by peers.py in their own environment):
value, and value with gradient in modes, omega_c and sigma8, of the log density of four convergence maps of 64 x 64
pixels.

    peer_lpt.py NXxNYxNZ ORDER

JaxPM's transforms, forces, second order, painting; growth in every plane; Born integral by map_coordinates. Sources
are folded into one weight a plane and bin, which the published program does not do: it interpolates for 33 source
redshifts. Single precision.
"""
import math
import sys

import jax
import jax.numpy as jnp
import jax_cosmo as jc
from jax.scipy.ndimage import map_coordinates
from jaxpm.distributed import fft3d, ifft3d
from jaxpm.growth import growth_factor, growth_factor_second
from jaxpm.kernels import fftk
from jaxpm.painting import cic_paint_dx
from jaxpm.pm import lpt
from peer_time import report

BOX_MPCH = (1000.0, 1000.0, 4500.0)
NPIX, SIZE_RAD = 64, math.radians(16)
SOURCES = jnp.array([0.5, 1.0, 1.5, 2.0])
SOURCE_SD, NOISE_SD = 0.12, 0.02
HUBBLE_MPCH = 2997.92458


def cosmology(theta):
    return jc.Cosmology(Omega_c=theta[0], Omega_b=0.049, h=0.677, n_s=0.9624, sigma8=theta[1], w0=-1.0, wa=0.0,
                        Omega_k=0.0)


def linear_field(cosmo, white):
    """White noise to the density contrast today."""
    k = jnp.logspace(-4, 1, 128)
    power = jc.power.linear_matter_power(cosmo, k)
    modes = fft3d(white)
    side = [length / n for length, n in zip(BOX_MPCH, white.shape)]
    size = jnp.sqrt(sum((w / s)**2 for w, s in zip(fftk(modes), side)))
    amplitude = jnp.sqrt(jnp.interp(size.ravel(), k, power).reshape(size.shape) / math.prod(side))
    return ifft3d(modes * amplitude)


def displacement(cosmo, delta, a, order):
    """Of every particle, in cells, with the growth at its plane (last axis: line of sight)."""
    today = jnp.array([1.0])
    first = lpt(cosmo, delta, a=1.0, order=1)[0]
    growth = (growth_factor(cosmo, a) / growth_factor(cosmo, today)).reshape(1, 1, -1, 1)
    moved = growth * first
    if order == 2:
        second = lpt(cosmo, delta, a=1.0, order=2)[0] - first  # the compiler shares what both need
        growth2 = growth_factor_second(cosmo, a) / growth_factor_second(cosmo, today)
        moved = moved + growth2.reshape(1, 1, -1, 1) * second
    return moved


def weights(cosmo, r, a, spacing):
    """(bins, planes) 3/2 Om (H0/c)^2 dz r/a g(r)."""
    z = jnp.linspace(0.01, 3.0, 257)
    n = jnp.exp(-0.5 * ((z - SOURCES[:, None]) / SOURCE_SD)**2)
    n = n / n.sum(axis=1, keepdims=True)
    chi = jc.background.radial_comoving_distance(cosmo, 1 / (1 + z))
    g = n @ jnp.clip(1 - r / chi[:, None], 0, None)
    return 1.5 * cosmo.Omega_m / HUBBLE_MPCH**2 * spacing * r / a * g


def convergence(density, weight, r):
    nx, ny = density.shape[:2]
    t = ((jnp.arange(NPIX) + 0.5) / NPIX - 0.5) * SIZE_RAD

    def add(kappa, plane):
        mass, w, distance = plane
        x, y = ((length / 2 + distance * t) / (length / n) - 0.5 for length, n in zip(BOX_MPCH, (nx, ny)))
        seen = map_coordinates(mass - mass.mean(), jnp.meshgrid(x, y, indexing="ij"), order=1, mode="wrap")
        return kappa + w[:, None, None] * seen, None

    start = jnp.zeros((len(SOURCES), NPIX, NPIX))
    return jax.lax.scan(add, start, (jnp.moveaxis(density, 2, 0), weight.T, r))[0]


def maps(theta, white, order):
    """(bins, NPIX, NPIX) convergence."""
    cosmo = cosmology(theta)
    spacing = BOX_MPCH[2] / white.shape[2]
    r = (jnp.arange(white.shape[2]) + 0.5) * spacing
    a = jc.background.a_of_chi(cosmo, r)
    fresh = cosmology(theta)  # the two libraries keep different tables of growth under one name
    density = cic_paint_dx(displacement(fresh, linear_field(cosmo, white), a, order))
    return convergence(density, weights(cosmo, r, a, spacing), r)


def log_density(theta, white, data, order):
    return -0.5 * (((maps(theta, white, order) - data) / NOISE_SD)**2).sum() - 0.5 * (white**2).sum()


def main():
    cells, order = tuple(map(int, sys.argv[1].split("x"))), int(sys.argv[2])
    white = jax.random.normal(jax.random.PRNGKey(1), cells)
    theta, data = jnp.array([0.2589, 0.8]), jnp.zeros((len(SOURCES), NPIX, NPIX))
    report("value", jax.jit(lambda t, u: log_density(t, u, data, order)), theta, white)
    report("gradient", jax.jit(jax.value_and_grad(lambda t, u: log_density(t, u, data, order), (0, 1))), theta, white)


if __name__ == "__main__":
    main()
