"""An independent light-cone: white modes and tables to convergence maps by Lagrangian perturbation theory, in numpy and
double precision, written from the documents (docs: physics, section 6; compute, sections 3-5) and not from the C code.

Layout. Fields are (nz, ny, nx), spectra (nz, ny, nx/2 + 1) complex, latents (ny, nz, nx/2 + 1, 2): stored rows of ky,
then kz, then kx, real and imaginary part, each N(0,1). Cell (x, y, z) is centred at ((x + 1/2), (y + 1/2), (z + 1/2))
sides; places of particles are in cells with the centre of cell 0 at 0. Displacements are lists along x, y, z, in
cells. Call order: white_field | potential -> displacement -> paint -> (deconvolve) -> born; light_cone() does all of
it.
"""
import dataclasses

import numpy as np

AXES = (2, 1, 0)  # of a field, for x, y, z


@dataclasses.dataclass
class Mesh:
    cells: tuple  # (nx, ny, nz)
    box: tuple  # Mpc/h along x, y, z

    @property
    def shape(self):
        return self.cells[::-1]

    @property
    def side(self):
        return tuple(length / n for length, n in zip(self.box, self.cells))

    @property
    def count(self):
        return int(np.prod(self.cells))

    @property
    def cell_volume(self):
        return float(np.prod(self.side))

    def latent_shape(self):
        nx, ny, nz = self.cells
        return ny, nz, nx // 2 + 1, 2

    def angles(self):
        """w = k side of every mode along x, y, z, each of a shape that broadcasts over a spectrum. -pi < w <= pi."""
        nx, ny, nz = self.cells
        modes = np.arange(nx // 2 + 1), signed(ny), signed(nz)
        w = [2 * np.pi * m / n for m, n in zip(modes, self.cells)]
        return w[0][None, None, :], w[1][None, :, None], w[2][:, None, None]

    def k2(self):
        """|k|^2 of every mode, (h/Mpc)^2."""
        return sum((w / side)**2 for w, side in zip(self.angles(), self.side))


def signed(n):
    i = np.arange(n)
    return np.where(i <= n // 2, i, i - n)


# ---- modes ----


def hermitian_planes(mesh, spectrum):
    """Modes of the planes kx = 0 and, nx even, kx = nx/2 replaced by (X_k + conj X_-k)/2."""
    out = spectrum.copy()
    for kx in (0, mesh.cells[0] // 2) if mesh.cells[0] % 2 == 0 else (0,):
        plane = spectrum[:, :, kx]
        minus = np.roll(plane[::-1, ::-1], 1, axis=(0, 1))
        out[:, :, kx] = (plane + minus.conj()) / 2
    return out


def white_spectrum(mesh, u):
    """X_k = s_k u_k/sqrt(2 N), s = sqrt 2 on the planes kx = 0 and kx = nx/2 of which the Hermitian part is taken: the
    unnormalised inverse transform is white with variance 1."""
    x = (u[..., 0] + 1j * u[..., 1]).transpose(1, 0, 2) / np.sqrt(2 * mesh.count)
    x[:, :, 0] *= np.sqrt(2)
    if mesh.cells[0] % 2 == 0:
        x[:, :, -1] *= np.sqrt(2)
    return hermitian_planes(mesh, x)


def to_field(mesh, spectrum):
    """Unnormalised inverse transform."""
    return np.fft.irfftn(spectrum, s=mesh.shape, axes=(0, 1, 2)) * mesh.count


def to_spectrum(mesh, field):
    """Its inverse: forward transform over the number of cells."""
    return np.fft.rfftn(field, axes=(0, 1, 2)) / mesh.count


def white_field(mesh, u):
    return to_field(mesh, white_spectrum(mesh, u))


def interpolate(lnk0, dlnk, table, lnk):
    """Cubic through the four nodes around (Lagrange); beyond the ends the last four nodes' cubic goes on."""
    place = (lnk - lnk0) / dlnk
    first = np.clip(np.floor(place).astype(int) - 1, 0, len(table) - 4)
    t, out = place - first, 0.0
    for i in range(4):
        weight = 1.0
        for j in range(4):
            if j != i:
                weight = weight * (t - j) / (i - j)
        out = out + weight * table[first + i]
    return out


def linear_spectrum(mesh, tables, u):
    """Modes of the linear density contrast today: X_k A(k)/sqrt(V of a cell), zero at k = 0."""
    k2 = mesh.k2()
    k2[0, 0, 0] = 1.0
    delta = white_spectrum(mesh, u) * interpolate(tables.lnk0, tables.dlnk, tables.amplitude, np.log(k2) / 2)
    delta[0, 0, 0] = 0
    return delta / np.sqrt(mesh.cell_volume)


def linear_density(mesh, tables, u):
    """The linear density contrast of every plane at the time of its particles."""
    return to_field(mesh, linear_spectrum(mesh, tables, u)) * tables.d1[:, None, None]


def inverse_laplacian(mesh, spectrum):
    """-X/k^2, zero at k = 0."""
    k2 = mesh.k2()
    k2[0, 0, 0] = np.inf
    return -spectrum / k2


# ---- displacements ----


def stencil(field, axis):
    """D f = [8 (f(+1) - f(-1)) - (f(+2) - f(-2))]/12 along x, y or z (0, 1, 2), per cell."""

    def at(step):
        return np.roll(field, -step, axis=AXES[axis])

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / 12


def spectral(mesh, field, axis):
    """i w f of every mode, per cell; modes at the Nyquist frequency of the axis, whose derivative has no sign, are
    zero."""
    w = mesh.angles()[axis]
    w = np.where(np.isclose(w, np.pi), 0.0, w)
    return to_field(mesh, 1j * w * to_spectrum(mesh, field))


def second_order_source(mesh, phi):
    """S = sum_{i<j} (phi_ii phi_jj - phi_ij^2), each derivative by the stencil taken twice."""
    side = mesh.side
    slope = [stencil(phi, i) / side[i] for i in range(3)]
    strain = {(i, j): stencil(slope[i], j) / side[j] for i in range(3) for j in range(i, 3)}
    return sum(strain[i, i] * strain[j, j] - strain[i, j]**2 for i, j in ((0, 1), (0, 2), (1, 2)))


def displacement(mesh, tables, u, order=1, gradient="stencil"):
    """s_j(z) = (-D1(z) D_j phi + D2(z) D_j phi2)/side_j^2, in cells; phi and phi2 today."""
    modes = inverse_laplacian(mesh, linear_spectrum(mesh, tables, u))
    phi = to_field(mesh, modes)
    parts = [(phi, -tables.d1)]
    if order == 2:
        source = second_order_source(mesh, phi)
        parts.append((to_field(mesh, inverse_laplacian(mesh, to_spectrum(mesh, source))), tables.d2))
    out = []
    for axis in range(3):
        total = 0.0
        for field, growth in parts:
            slope = stencil(field, axis) if gradient == "stencil" else spectral(mesh, field, axis)
            total = total + growth[:, None, None] * slope / mesh.side[axis]**2
        out.append(total)
    return out


# ---- mass ----


def kernel(name, distance):
    """Weight of a node at a distance in cells, for clouds in cells (CIC) and triangles in cells (TSC)."""
    d = np.abs(distance)
    if name == "cic":
        return np.maximum(0.0, 1 - d)
    return np.where(d < 0.5, 0.75 - d**2, 0.5 * np.maximum(0.0, 1.5 - d)**2)


def paint(mesh, s, offset=0.5, name="cic"):
    """Mass of every cell over the mean, of one particle a cell that starts at (x, y, z) + offset and moves by s."""
    place = places(mesh, offset, s)
    if name == "cic":
        first, nodes = [np.floor(p).astype(np.int64) for p in place], 2
    else:
        first, nodes = [np.floor(p + 0.5).astype(np.int64) - 1 for p in place], 3
    mass = np.zeros(mesh.count)
    weights = [[kernel(name, p - (f + i)) for i in range(nodes)] for p, f in zip(place, first)]
    cells = [[np.mod(f + i, n) for i in range(nodes)] for f, n in zip(first, mesh.cells)]
    nx, ny, _ = mesh.cells
    for i, j, k in np.ndindex(nodes, nodes, nodes):
        where = (cells[2][k] * ny + cells[1][j]) * nx + cells[0][i]
        np.add.at(mass, where.ravel(), (weights[0][i] * weights[1][j] * weights[2][k]).ravel())
    return mass.reshape(mesh.shape)


def places(mesh, offset, s):
    """Of the particles, along x, y, z."""
    z, y, x = np.ogrid[tuple(slice(0, n) for n in mesh.shape)]
    return [lattice + offset + move for lattice, move in zip((x, y, z), s)]


def deconvolve(mesh, field, name="cic"):
    """Every mode over the window of the painting, prod_j sinc^n(w_j/2): n = 2 for CIC, 3 for TSC."""
    window = 1.0
    for w in mesh.angles():
        window = window * np.sinc(w / (2 * np.pi))**(2 if name == "cic" else 3)
    return to_field(mesh, to_spectrum(mesh, field) / window)


# ---- light ----


def ray_places(mesh, axis, npix, size_rad, r):
    """Where the rays of a line of pixels cut the plane at distance r, in cells along axis 0 (x) or 1 (y)."""
    t = ((np.arange(npix) + 0.5) / npix - 0.5) * size_rad
    return (mesh.box[axis] / 2 + r * t) / mesh.side[axis] - 0.5


def born(mesh, tables, density, npix, size_rad):
    """kappa_b(p) = sum_k weight[b][k] [I_k(p) - mean_k], I bilinear, periodic. (nbins, npix, npix)."""
    kappa = np.zeros((len(tables.weight), npix, npix))
    for k, plane in enumerate(density):
        x, y = (ray_places(mesh, axis, npix, size_rad, tables.r[k]) for axis in (0, 1))
        i, j = np.floor(x).astype(int), np.floor(y).astype(int)
        fx, fy = (x - i)[None, :], (y - j)[:, None]

        def at(dy, dx, plane=plane, i=i, j=j):
            return plane[np.ix_(np.mod(j + dy, mesh.cells[1]), np.mod(i + dx, mesh.cells[0]))]

        value = (1 - fy) * ((1 - fx) * at(0, 0) + fx * at(0, 1)) + fy * ((1 - fx) * at(1, 0) + fx * at(1, 1))
        kappa += tables.weight[:, k, None, None] * (value - plane.mean())
    return kappa


def light_cone(mesh, tables, u, npix, size_rad, order=1, offset=0.5, gradient="stencil", name="cic", decic=False):
    """Maps (nbins, npix, npix) and the density planes (nz, ny, nx), mass over the mean."""
    density = paint(mesh, displacement(mesh, tables, u, order, gradient), offset, name)
    if decic:
        density = deconvolve(mesh, density, name)
    return born(mesh, tables, density, npix, size_rad), density


# ---- what is linear in the modes ----
#
# Painting. A particle of lattice point q that moves by s(q) gives node n the weight K(n - q - o - s), K a product over
# the axes. Without displacements every node has mass one. To first order node n changes by
#     - sum_q sum_j s_j(q) K'(n_j - q_j - o) prod_{i != j} K(n_i - q_i - o).
# For a mode exp(i w q) of s every axis is a convolution, and its image is
#     a(w) = sum_m K(m - o) exp(-i w m)          (an axis across s)
#     d(w) = - sum_m K'(m - o) exp(-i w m)       (the axis along s),
# so that the contrast's mode is sum_j d(w_j) prod_{i != j} a(w_i) s_j, where s_j = -D1 i g(w_j)/side_j^2 phi and
# g(w) = (8 sin w - sin 2w)/6, the stencil's image of w. For clouds in cells and o = 1/2: a = exp(-iw/2) cos(w/2),
# d = -2i sin(w/2) exp(-iw/2). These are the textbook's sinc^2(w/2) and -i w sinc^2(w/2) with the phase exp(-i w o) of
# the offset, summed over all aliases w + 2 pi m of the lattice of particles. The two agree to order w, not beyond
# (cos x = 1 - x^2/2, sinc^2 x = 1 - x^2/3), which is why the aliases are kept.
# K has to be smooth where particles start: clouds in cells with o = 0 have a kink there, and no linear response.
#
# Growth. The particles of plane z move by D1[z], so along z nothing is diagonal and the sum over m stays a sum over
# planes; along x and y modes are kept.
#
# Rays are sums over modes too: the bilinear value at place p of exp(i w n) is sum_n T(p - n) exp(i w n), T the
# triangle of half width 1, which is exp(i w p) times a factor that depends on where in its cell p lies.


def kernel_slope(name, distance):
    d = np.abs(distance)
    if name == "cic":
        return np.where(d < 1, -np.sign(distance), 0.0)
    return np.where(d < 0.5, -2 * distance, -np.sign(distance) * np.maximum(0.0, 1.5 - d))


def gradient_images(mesh, gradient):
    """g of every mode along x, y, z, the derivative of a mode being i g times it."""
    if gradient == "stencil":
        return [(8 * np.sin(w) - np.sin(2 * w)) / 6 for w in mesh.angles()]
    return [np.where(np.isclose(w, np.pi), 0.0, w) for w in mesh.angles()]


def linear_planes(mesh, tables, u, offset=0.5, gradient="stencil", name="cic"):
    """Contrast of the painted planes to first order in the modes: (nz, ny, nx/2 + 1), transformed along x and y only
    (the coefficients of exp(i w_x x + i w_y y))."""
    if name == "cic" and offset % 1 == 0:
        raise ValueError("clouds in cells have no linear response where particles start on nodes")
    modes = inverse_laplacian(mesh, linear_spectrum(mesh, tables, u))
    reach = range(-1, 3)
    w = mesh.angles()
    slopes = []  # s_j of today's growth, in cells, transformed along x and y
    for image, side in zip(gradient_images(mesh, gradient), mesh.side):
        slopes.append(np.fft.ifft(-1j * image / side**2 * modes, axis=0) * mesh.cells[2])
    across = [sum(kernel(name, m - offset) * np.exp(-1j * w[i] * m) for m in reach) for i in (0, 1)]
    along = [-sum(kernel_slope(name, m - offset) * np.exp(-1j * w[i] * m) for m in reach) for i in (0, 1)]
    in_plane = along[0] * across[1] * slopes[0] + across[0] * along[1] * slopes[1]
    growth = tables.d1[:, None, None]
    out = 0
    for m in reach:
        weight, slope = kernel(name, m - offset), kernel_slope(name, m - offset)
        if weight or slope:
            moved = growth * (weight * in_plane - slope * across[0] * across[1] * slopes[2])
            out = out + np.roll(moved, m, axis=0)
    return out


def linear_maps(mesh, tables, planes, npix, size_rad):
    """Convergence of planes of modes (linear_planes), mode by mode."""
    nx, ny, _ = mesh.cells
    twice = np.full(nx // 2 + 1, 2.0)  # a mode and its conjugate
    twice[0] = 1.0
    if nx % 2 == 0:
        twice[-1] = 1.0
    wx, wy = (2 * np.pi * m / n for m, n in ((np.arange(nx // 2 + 1), nx), (signed(ny), ny)))
    kappa = np.zeros((len(tables.weight), npix, npix))
    for k, plane in enumerate(planes):
        bx = ray_modes(ray_places(mesh, 0, npix, size_rad, tables.r[k]), nx, wx)
        by = ray_modes(ray_places(mesh, 1, npix, size_rad, tables.r[k]), ny, wy)
        modes = plane.copy()
        modes[0, 0] = 0  # the mean of a plane lenses nothing
        kappa += tables.weight[:, k, None, None] * (by @ (modes * twice) @ bx.T).real
    return kappa


def ray_modes(place, n, w):
    """exp(i w x) as seen by bilinear interpolation: (places, modes)."""
    x = np.arange(n)
    distance = np.mod(place[:, None] - x + n / 2, n) - n / 2
    return np.maximum(0.0, 1 - np.abs(distance)) @ np.exp(1j * np.outer(x, w))


def limber_power(tables, ell):
    """C_l of linear theory from the same tables, every plane seen from afar as a thin sheet without waves along the
    line of sight: sum_k W_a W_b D1^2 P(l/r_k)/(r_k^2 dz). (len(ell), nbins, nbins). No windows."""
    spacing = tables.r[1] - tables.r[0]
    out = []
    for l in ell:
        amplitude = interpolate(tables.lnk0, tables.dlnk, tables.amplitude, np.log(l / tables.r))
        out.append((tables.weight * (amplitude * tables.d1 / tables.r)**2 / spacing) @ tables.weight.T)
    return np.array(out)


# ---- what is known of first order beyond small modes ----


def displacement_covariance(mesh, tables, d1, gradient="stencil"):
    """<s_i(0) s_j(q)> of first order for growth d1, in cells: (3, 3, nz, ny, nx)."""
    k2 = mesh.k2()
    k2[0, 0, 0] = np.inf
    amplitude = interpolate(tables.lnk0, tables.dlnk, tables.amplitude, np.log(k2.clip(None, 1e6)) / 2)
    power = d1**2 * amplitude**2 / np.prod(mesh.box) / k2**2
    slope = [image / side**2 for image, side in zip(gradient_images(mesh, gradient), mesh.side)]
    return np.array([[to_field(mesh, power * a * b) for b in slope] for a in slope])


def particle_power(mesh, covariance, modes):
    """<|delta_w|^2> of particles on a lattice that move by Gaussian displacements, exact: (1/N) sum_q exp(-i w q)
    exp(-w^T [C(0) - C(q)] w), the characteristic function of the difference of two displacements. modes (n, 3): whole
    numbers along x, y, z. Painting multiplies it by its window squared where aliases can be neglected."""
    z, y, x = np.ogrid[tuple(slice(0, n) for n in mesh.shape)]
    out = []
    for mode in modes:
        w = 2 * np.pi * np.array(mode) / mesh.cells
        spread = np.einsum("i,ijzyx,j->zyx", w, covariance, w)
        out.append((np.exp(spread - spread[0, 0, 0]) * np.cos(w[0] * x + w[1] * y + w[2] * z)).sum() / mesh.count)
    return np.array(out)
