"""The log-normal model of docs: physics, section 5, with jax_cosmo and numpyro as their users write it
(arXiv:2407.10877; run by peers.py in its own environment): value, and value with gradient in six parameters and the
latent, of the log density of convergence maps, LSST Y10.

    peer_lognormal.py NPIXxNPIXxBINS

The steps of the published model: halofit C_l of all pairs on a table of l, interpolated to every mode; logarithm of
the correlation function through two transforms a pair; a square root of the covariance of each mode by its
eigenvectors; a white field in real space. Shifts are fixed numbers, which spares it a table look-up. Single
precision.
"""
import math
import sys

import jax
import jax.numpy as jnp
import jax_cosmo as jc
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax_cosmo.redshift import redshift_distribution
from numpyro.infer.util import log_density
from peer_time import report

SIZE_RAD = math.radians(10)
PER_ARCMIN2, SIGMA_E = 27.0, 0.26
EDGES = [0.0, 0.45349859231, 0.72236791969, 1.04197937169, 1.53916002395, 10.0]
SHIFTS = jnp.array([0.00521, 0.01517, 0.02866, 0.04963, 0.09815])


class Bin(redshift_distribution):
    """Galaxies of z^2 exp(-(z/0.11)^0.68) whose photo-z, of sd 0.05 (1 + z), lies between two edges."""

    def pz_fn(self, z):
        low, high = self.params
        width = math.sqrt(2) * 0.05 * (1 + z)
        parent = z**2 * jnp.exp(-(z / 0.11)**0.68)
        return parent * (jax.scipy.special.erf((high - z) / width) - jax.scipy.special.erf((low - z) / width))


jax.tree_util.register_pytree_node_class(Bin)


def spectra(cosmo, n, nbins):
    """C_l of all pairs (i <= j) on the modes of an n x n map over the area of a pixel: (pairs, n, n), zero at l = 0."""
    sources = [Bin(EDGES[i], EDGES[i + 1], gals_per_arcmin2=PER_ARCMIN2 / nbins, zmax=10.0) for i in range(nbins)]
    table = 2 * math.pi / SIZE_RAD * jnp.arange(n)
    cl = jc.angular_cl.angular_cl(cosmo, table, [jc.probes.WeakLensing(sources, sigma_e=SIGMA_E)])
    k = 2 * math.pi * np.fft.fftfreq(n, d=SIZE_RAD / n)
    size = jnp.asarray(np.hypot(*np.meshgrid(k, k)))
    power = jax.vmap(lambda c: jnp.interp(size, table, c))(cl)
    return power.at[:, 0, 0].set(0.0) * (n / SIZE_RAD)**2


def model(n, nbins, data):
    cosmo = jc.Planck15(Omega_c=numpyro.sample("omega_c", dist.TruncatedNormal(0.2664, 0.2, low=0)),
                        Omega_b=numpyro.sample("omega_b", dist.Normal(0.0492, 0.006)),
                        sigma8=numpyro.sample("sigma_8", dist.Normal(0.831, 0.14)),
                        h=numpyro.sample("h_0", dist.Normal(0.6727, 0.063)),
                        n_s=numpyro.sample("n_s", dist.Normal(0.9645, 0.08)),
                        w0=numpyro.sample("w_0", dist.TruncatedNormal(-1.0, 0.9, low=-2.0, high=-0.3)))
    i, j = np.triu_indices(nbins)
    shift = SHIFTS[:nbins]
    xi = jnp.fft.ifft2(spectra(cosmo, n, nbins)).real
    g = jnp.abs(jnp.fft.fft2(jnp.log(1 + xi / (shift[i] * shift[j])[:, None, None]))).at[:, 0, 0].set(0.0)
    covariance = jnp.zeros((n, n, nbins, nbins)).at[..., i, j].set(jnp.moveaxis(g, 0, -1))
    covariance = covariance.at[..., j, i].set(jnp.moveaxis(g, 0, -1))
    values, vectors = jnp.linalg.eigh(covariance)
    root = jnp.einsum("yxij,yxj,yxkj->ikyx", vectors, jnp.sqrt(jnp.clip(values, 1e-30, None)), vectors)
    white = numpyro.sample("z", dist.Normal(jnp.zeros((nbins, n, n)), 1.0).to_event(3))
    field = jnp.fft.ifft2((root * jnp.fft.fft2(white)[None]).sum(axis=1)).real
    variance = field.var(axis=(1, 2), keepdims=True)
    kappa = shift[:, None, None] * (jnp.exp(field - variance / 2) - 1)
    pixel_arcmin2 = (math.degrees(SIZE_RAD) * 60 / n)**2
    noise = SIGMA_E / math.sqrt(PER_ARCMIN2 / nbins * pixel_arcmin2)
    numpyro.sample("y", dist.Normal(kappa, noise).to_event(3), obs=data)


def main():
    n, _, nbins = map(int, sys.argv[1].split("x"))
    place = {"omega_c": 0.2664, "omega_b": 0.0492, "sigma_8": 0.831, "h_0": 0.6727, "n_s": 0.9645, "w_0": -1.0}
    place = {name: jnp.float32(value) for name, value in place.items()}
    place["z"] = jax.random.normal(jax.random.PRNGKey(1), (nbins, n, n))
    data = jnp.zeros((nbins, n, n))

    def density(values):
        return log_density(model, (n, nbins, data), {}, values)[0]

    report("value", jax.jit(density), place)
    report("gradient", jax.jit(jax.value_and_grad(density)), place)


if __name__ == "__main__":
    main()
