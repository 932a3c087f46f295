"""Cosmology for the independent light-cone (lpt_numpy.py), in numpy alone: background, growth of two orders,
Eisenstein & Hu power, source distributions and lensing weights. Nothing of it comes from the C code, so that the two
can judge each other.

Units: lengths Mpc/h, k h/Mpc, c/H0 = 2997.92458 Mpc/h. Flat, no radiation.
Sources: E^2 = Om a^-3 + Ode exp(f), f = -3(1+w0+wa) ln a + 3 wa (a-1); D'' + q D' - r D = 0 in a with
q = [2 - (Om(a) + (1+3w) Ode(a))/2]/a, r = 1.5 Om(a)/a^2; D2'' + q D2' - r D2 = -r D1^2; Eisenstein & Hu 1998
(astro-ph/9709112) eqs. 2-24, the numbers in comments; sigma8 by int dlnk k^3 P W^2/(2 pi^2), k in [1e-5, 1e2];
weights of planes and source distributions as in docs: physics, sections 4 and 6.
"""
import dataclasses
import math

import numpy as np

HUBBLE_MPCH = 2997.92458  # c/H0
C1_RHO_CRIT = 5e-14 * 2.775e11
GROWTH_START, GROWTH_STEPS = 1e-3, 3000  # scale factor; steps of Runge and Kutta in ln a
DISTANCE_END_Z, DISTANCE_CELLS = 60.0, 6000
GAUSS_X, GAUSS_W = np.polynomial.legendre.leggauss(12)
erf = np.vectorize(math.erf, otypes=[float])


def panels(edges):
    """Gauss-Legendre nodes and weights over consecutive panels: (panels, nodes) each."""
    middle, half = (edges[1:] + edges[:-1]) / 2, (edges[1:] - edges[:-1]) / 2
    return middle[:, None] + half[:, None] * GAUSS_X, half[:, None] * GAUSS_W


def hermite(x, nodes, values, slopes):
    """Cubic through values and slopes at equidistant nodes."""
    h = nodes[1] - nodes[0]
    i = np.clip(((x - nodes[0]) / h).astype(int), 0, len(nodes) - 2)
    t = (x - nodes[i]) / h
    rise = values[i + 1] - values[i]
    a, b = h * slopes[i] - rise, rise - h * slopes[i + 1]
    return values[i] + t * (rise + (1 - t) * (a * (1 - t) + b * t))


class Cosmology:
    """omega_c, omega_b: fractions of the critical density. Defaults: the fiducial point of docs: physics."""

    def __init__(self, omega_c=0.2664, omega_b=0.0492, h=0.6727, n_s=0.9645, sigma8=0.831, w0=-1.0, wa=0.0,
                 t_cmb_k=2.726):
        self.omega_c, self.omega_b, self.omega_m = omega_c, omega_b, omega_c + omega_b
        self.omega_de = 1 - self.omega_m
        self.h, self.n_s, self.sigma8, self.w0, self.wa, self.t_cmb_k = h, n_s, sigma8, w0, wa, t_cmb_k
        self._distance_table()
        self._growth_table()
        self._normalisation = None

    # ---- background ----

    def dark_energy(self, a):
        return self.omega_de * np.exp(-3 * (1 + self.w0 + self.wa) * np.log(a) + 3 * self.wa * (a - 1))

    def e2(self, a):
        """(H/H0)^2."""
        return self.omega_m * a**-3 + self.dark_energy(a)

    def _distance_table(self):
        """chi at nodes of x = ln(1 + z): dchi/dx = c/H0 (1 + z)/E."""
        nodes = np.linspace(0, np.log1p(DISTANCE_END_Z), DISTANCE_CELLS + 1)
        x, w = panels(nodes)
        steps = (w * self._dchi_dx(x)).sum(axis=1)
        self._x_nodes, self._chi_nodes = nodes, np.concatenate([[0], np.cumsum(steps)])

    def _dchi_dx(self, x):
        return HUBBLE_MPCH * np.exp(x) / np.sqrt(self.e2(np.exp(-x)))

    def chi(self, z):
        x = np.log1p(np.asarray(z, float))
        return hermite(x, self._x_nodes, self._chi_nodes, self._dchi_dx(self._x_nodes))

    def z_of_chi(self, chi):
        """Newton's method from the table."""
        chi = np.asarray(chi, float)
        x = np.interp(chi, self._chi_nodes, self._x_nodes)
        for _ in range(3):
            x = x - (self.chi(np.expm1(x)) - chi) / self._dchi_dx(x)
        return np.expm1(x)

    # ---- growth ----

    def _growth_slope(self, x, y):
        """d/dlna of (D1, dD1/dlna, D2, dD2/dlna)."""
        a = np.exp(x)
        e2 = self.e2(a)
        om, de, w = self.omega_m * a**-3 / e2, self.dark_energy(a) / e2, self.w0 + self.wa * (1 - a)
        drag, pull = 1 - (om + (1 + 3 * w) * de) / 2, 1.5 * om  # a q - 1 and a^2 r
        return np.array([y[1], pull * y[0] - drag * y[1], y[3], pull * (y[2] - y[0]**2) - drag * y[3]])

    def _growth_table(self):
        nodes = np.linspace(np.log(GROWTH_START), 0, GROWTH_STEPS + 1)
        h, a = nodes[1] - nodes[0], GROWTH_START
        y = np.empty((GROWTH_STEPS + 1, 4))
        y[0] = a, a, -3 / 7 * a**2, -6 / 7 * a**2  # the growing modes of matter alone
        for i, x in enumerate(nodes[:-1]):
            k1 = self._growth_slope(x, y[i])
            k2 = self._growth_slope(x + h / 2, y[i] + h / 2 * k1)
            k3 = self._growth_slope(x + h / 2, y[i] + h / 2 * k2)
            k4 = self._growth_slope(x + h, y[i] + h * k3)
            y[i + 1] = y[i] + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        slopes = np.array([self._growth_slope(x, state) for x, state in zip(nodes, y)])
        scale = y[-1, 0]**np.array([1, 1, 2, 2])
        self._lna_nodes, self._growth, self._growth_slopes = nodes, y / scale, slopes / scale

    def _growth_at(self, a, column):
        """Before the table begins D1 goes with a, D2 with a^2."""
        x = np.log(np.asarray(a, float))
        inside = np.maximum(x, self._lna_nodes[0])
        value = hermite(inside, self._lna_nodes, self._growth[:, column], self._growth_slopes[:, column])
        return value * np.exp((1 + column // 2) * (x - inside))

    def d1(self, a):
        """D1, 1 today."""
        return self._growth_at(a, 0)

    def d2(self, a):
        """D2 for the same normalisation of D1: -> -3/7 D1^2 early."""
        return self._growth_at(a, 2)

    def growth_rates(self, a):
        """dlnD1/dlna, dlnD2/dlna."""
        d1, slope1, d2, slope2 = (self._growth_at(a, column) for column in range(4))
        return slope1 / d1, slope2 / d2

    # ---- linear power ----

    def transfer(self, k_hmpc):
        return EisensteinHu(self).transfer(np.asarray(k_hmpc, float) * self.h)

    def _shape(self, k):
        return k**self.n_s * self.transfer(k)**2

    def _norm(self):
        if self._normalisation is None:
            lnk, w = panels(np.linspace(np.log(1e-5), np.log(1e2), 4001))
            k = np.exp(lnk)
            self._normalisation = self.sigma8**2 / (w * k**3 * self._shape(k) * top_hat(8 * k)**2).sum() * 2 * np.pi**2
        return self._normalisation

    def power(self, k, a=1.0):
        """P(k) in (Mpc/h)^3."""
        return self._norm() * self._shape(np.asarray(k, float)) * self.d1(a)**2

    def amplitude(self, k):
        """sqrt(P(k)) today with the sign of the transfer function."""
        return np.sqrt(self._norm() * k**self.n_s) * self.transfer(k)


def top_hat(x):
    small = x < 0.05
    y = np.where(small, 1.0, x)
    return np.where(small, 1 - x**2 / 10 + x**4 / 280, 3 * (np.sin(y) - y * np.cos(y)) / y**3)


class EisensteinHu:
    """The fit of astro-ph/9709112 with wiggles; k in 1/Mpc."""

    def __init__(self, cosmology):
        om, ob = cosmology.omega_m * cosmology.h**2, cosmology.omega_b * cosmology.h**2
        theta = cosmology.t_cmb_k / 2.7
        self.fb = fb = ob / om
        self.z_eq = 2.5e4 * om * theta**-4  # 2
        self.k_eq = 7.46e-2 * om * theta**-2  # 3
        b1, b2 = 0.313 * om**-0.419 * (1 + 0.607 * om**0.674), 0.238 * om**0.223
        self.z_d = 1291 * om**0.251 / (1 + 0.659 * om**0.828) * (1 + b1 * ob**b2)  # 4
        self.r_d, self.r_eq = (31.5 * ob * theta**-4 * 1e3 / z for z in (self.z_d, self.z_eq))  # 5
        self.s = 2 / (3 * self.k_eq) * np.sqrt(6 / self.r_eq) * np.log(  # 6
            (np.sqrt(1 + self.r_d) + np.sqrt(self.r_d + self.r_eq)) / (1 + np.sqrt(self.r_eq)))
        self.k_silk = 1.6 * ob**0.52 * om**0.73 * (1 + (10.4 * om)**-0.95)  # 7
        a1 = (46.9 * om)**0.670 * (1 + (32.1 * om)**-0.532)
        a2 = (12.0 * om)**0.424 * (1 + (45.0 * om)**-0.582)
        self.alpha_c = a1**-fb * a2**-(fb**3)  # 11
        b1, b2 = 0.944 / (1 + (458 * om)**-0.708), (0.395 * om)**-0.0266
        self.beta_c = 1 / (1 + b1 * ((1 - fb)**b2 - 1))  # 12
        y = (1 + self.z_eq) / (1 + self.z_d)
        root = np.sqrt(1 + y)
        g = y * (-6 * root + (2 + 3 * y) * np.log((root + 1) / (root - 1)))  # 15
        self.alpha_b = 2.07 * self.k_eq * self.s * (1 + self.r_d)**-0.75 * g  # 14
        self.beta_node = 8.41 * om**0.435  # 23
        self.beta_b = 0.5 + fb + (3 - 2 * fb) * np.sqrt((17.2 * om)**2 + 1)  # 24

    def pressureless(self, k, alpha, beta):
        q = k / (13.41 * self.k_eq)  # 10
        c = 14.2 / alpha + 386 / (1 + 69.9 * q**1.08)  # 20
        log = np.log(np.e + 1.8 * beta * q)
        return log / (log + c * q**2)  # 19

    def transfer(self, k):
        ks = k * self.s
        f = 1 / (1 + (ks / 5.4)**4)  # 18
        cold = [self.pressureless(k, alpha, self.beta_c) for alpha in (1, self.alpha_c)]
        cold = f * cold[0] + (1 - f) * cold[1]  # 17
        s = self.s / (1 + (self.beta_node / ks)**3)**(1 / 3)  # 22
        drag = self.alpha_b / (1 + (self.beta_b / ks)**3) * np.exp(-(k / self.k_silk)**1.4)
        baryons = (self.pressureless(k, 1, 1) / (1 + (ks / 5.2)**2) + drag) * np.sinc(k * s / np.pi)  # 21
        return self.fb * baryons + (1 - self.fb) * cold  # 8, 16


# ---- sources ----


@dataclasses.dataclass
class Source:
    """n(z), normalised over start < z < end, zero outside."""

    density: object  # callable
    start: float
    end: float

    def __post_init__(self):
        z, w = panels(self.edges(self.start))
        self.norm = (w * self.density(z)).sum()

    def edges(self, low, cells=60):
        """Panels of the part beyond `low`, shorter where n(z) begins."""
        first = max(low, self.start)
        return first + (self.end - first) * np.linspace(0, 1, cells + 1)**1.5

    def n(self, z):
        return np.where((z > self.start) & (z < self.end), self.density(z) / self.norm, 0.0)


def gaussian_source(z, sd):
    return Source(lambda x: np.exp(-0.5 * ((x - z) / sd)**2), max(0.0, z - 9 * sd), z + 9 * sd)


def smail_sources(a=2.0, b=0.68, z0=0.11, bins=5, sigma_z=0.05, end=10.0):
    """Bins of equal number of z^a exp(-(z/z0)^b), each convolved with a photo-z of sd sigma_z (1 + z)."""
    parent = Source(lambda z: z**a * np.exp(-(z / z0)**b), 0.0, end)
    edges = np.linspace(0, end**0.5, 4001)**2
    z, w = panels(edges)
    below = np.concatenate([[0], np.cumsum((w * parent.n(z)).sum(axis=1))])
    cut = np.interp(np.arange(1, bins) / bins, below, edges)
    cut = np.concatenate([[0], cut, [end]])
    return [Source(lambda x, low=low, high=high: parent.n(x) * share(x, low, high, sigma_z), 0.0, end)
            for low, high in zip(cut[:-1], cut[1:])], cut


def share(z, low, high, sigma_z):
    """Part of the galaxies at z whose photo-z lies between low and high."""
    width = np.sqrt(2) * sigma_z * (1 + z)
    return (erf((high - z) / width) - erf((low - z) / width)) / 2


def efficiency(cosmology, source, r):
    """g(r) = int dz n(z) max(0, 1 - r/chi(z)), r (n)."""
    low = cosmology.z_of_chi(r)
    out = np.zeros(len(r))
    for i in np.flatnonzero(low < source.end):
        z, w = panels(source.edges(low[i]))
        out[i] = (w * source.n(z) * (1 - r[i] / cosmology.chi(z))).sum()
    return out


# ---- tables of a light-cone ----


@dataclasses.dataclass
class Tables:
    """What a simulator is given (the arrays of worker/theta/lightcone.h)."""

    lnk0: float
    dlnk: float
    amplitude: np.ndarray  # (nk)
    d1: np.ndarray  # (nz) at the particles
    d2: np.ndarray  # (nz)
    r: np.ndarray  # (nz) distance of the planes
    weight: np.ndarray  # (nbins, nz)

    def scaled(self, factor):
        """The same with every linear density times `factor`, as sigma8 does; D1 and D2 are per linear density today."""
        return dataclasses.replace(self, amplitude=self.amplitude * factor)


def plane_weights(cosmology, sources, r, spacing, a_ia=0.0, eta_ia=0.0, z0_ia=0.62):
    """3/2 Om (H0/c)^2 dz r_k/a_k g_b(r_k), and the alignment of galaxies -A C1 rho_crit Om/D ((1+z)/(1+z0))^eta n H/c
    dz."""
    z = cosmology.z_of_chi(r)
    a = 1 / (1 + z)
    lensing = 1.5 * cosmology.omega_m / HUBBLE_MPCH**2 * spacing * r / a
    align = -a_ia * C1_RHO_CRIT * cosmology.omega_m / cosmology.d1(a) * ((1 + z) / (1 + z0_ia))**eta_ia
    align = align * np.sqrt(cosmology.e2(a)) / HUBBLE_MPCH * spacing
    return np.array([lensing * efficiency(cosmology, s, r) + align * s.n(z) for s in sources])


def light_tables(cosmology, sources, nz, spacing, offset=0.5, nk=256, k_range=(1e-4, 20.0), **alignment):
    """Tables for nz planes at r = (k + 1/2) spacing, whose particles start at (k + 1/2 + offset) spacing."""
    lnk0 = np.log(k_range[0])
    dlnk = np.log(k_range[1] / k_range[0]) / (nk - 1)
    r = (np.arange(nz) + 0.5) * spacing
    a = 1 / (1 + cosmology.z_of_chi(r + offset * spacing))
    amplitude = cosmology.amplitude(np.exp(lnk0 + dlnk * np.arange(nk)))
    weight = plane_weights(cosmology, sources, r, spacing, **alignment)
    return Tables(lnk0, dlnk, amplitude, cosmology.d1(a), cosmology.d2(a), r, weight)
