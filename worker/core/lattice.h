/* worker/core/lattice.h - the white modes of a mesh and what is linear in them, mode by mode, in the transposed layout
** (mesh.h). Docs: compute, section 4 (1-4); physics, section 6.
** A latent u has two reals a stored mode, all N(0,1). Modes of fields (unnormalised inverse transform of X_k: a field):
**   white field:  X_k = s_k u_k / sqrt(2 N),   s_k = 1, and sqrt(2) on the planes kx = 0 and (nx even) kx = h, N cells;
**                 the inverse takes the Hermitian part there (slab.h), so the field is white with variance 1
**   delta_L:      X_k A(k) / sqrt(V),          A = sqrt(P(k)), V the volume of a cell
**   potential:    -delta_L / k^2,              k^2 = sum_j (2 pi m_j / L_j)^2, the mode k = 0 is zero
** (The adjoint of the inverse transform F with respect to the stored reals is then, for a cotangent f of the field with
** unnormalised forward transform R: 2 R_k inside, R_k on the planes; compute, section 4.3.)
** A latent is drawn by the signed numbers of its modes (core/rng.h): meshes of any size have the same large scales.
** A(k) is a table at nk nodes lnk0 + i dlnk, interpolated by the cubic through the four nodes around (Lagrange); beyond
** the ends the last four nodes' cubic goes on. It is linear in the table, so its cotangent is exact.
** Operations (ops.def); spectra and latents of this rank, k_j = 2 pi m_j/L_j:
**   draw               normals of one draw
**   white, delta, potential   latent -> spectrum, as above
**   potential_adjoint  spectrum: unnormalised transform of the cotangent of phi, a field. latent_bar: set, or NULL; it
**                      may not be the latent
**   inverse_laplacian  X_k *= -scale/k^2, k = 0: zero
**   gradient           out = scale i k_axis X, zero where |m_axis| = n_axis/2; out may be the spectrum
**   gradient_adjoint   sum -= scale i k_axis X, the adjoint for real fields
**   decic              X_k *= scale / prod_j sinc(pi m_j/n_j)^n, sinc x = sin x/x, n = 2 for CIC, 3 for TSC: the window
**                      of the painting taken out, at most (pi/2)^6 (^9) */
#ifndef FF_WORKER_CORE_LATTICE_H
#define FF_WORKER_CORE_LATTICE_H

#include "worker/core/mesh.h"

enum { FF_LATTICE_NODES = 1024 }; /* at most */

struct ff_lattice {
    struct ff_mesh mesh;
    int nk; /* 4 .. FF_LATTICE_NODES */
    double lnk0, dlnk;
    const double *amplitude; /* (nk) A, (Mpc/h)^(3/2) */
};

/* What the adjoint adds up, by row of this rank, so that a sum over all rows in order is the same for any ranks. */
struct ff_lattice_bar {
    double *amplitude; /* (nyl, nk), set; or NULL */
    int prior;         /* 1: latent_bar also gets -u, the gradient of -|u|^2/2 */
};

#endif
