/* common/model.h - what a model is made of, as plain data: the parameters' places, source distributions, priors, maps.
** Both the job (common/job.h) and the worker's rooms speak in these structs; nothing here computes. */
#ifndef FF_COMMON_MODEL_H
#define FF_COMMON_MODEL_H

#include <stdbool.h>

enum { FF_MAX_BINS = 16, FF_NAME_SIZE = 24, FF_PATH_SIZE = 1024 };
enum { FF_MAX_PAIRS = FF_MAX_BINS * (FF_MAX_BINS + 1) / 2 };

/* A parameter vector theta has FF_NGLOBAL global entries, then m_1..m_nbins, then dz_1..dz_nbins. */
enum ff_par {
#define X(name, text, latex, fid, low, high) name,
#include "proto/params.def"
#undef X
    FF_NGLOBAL
};
enum { FF_MAX_PARS = FF_NGLOBAL + 2 * FF_MAX_BINS };

static inline int ff_par_count(int nbins)
{
    return FF_NGLOBAL + 2 * nbins;
}
static inline int ff_par_m(int bin)
{
    return FF_NGLOBAL + bin;
}
static inline int ff_par_dz(int nbins, int bin)
{
    return FF_NGLOBAL + nbins + bin;
}

/* Place of pair (i, j), i <= j, in pair arrays: (0,0) (0,1) .. (0,n-1) (1,1) .. (n-1,n-1). */
static inline int ff_pair(int nbins, int i, int j)
{
    return i <= j ? i * nbins - i * (i - 1) / 2 + j - i : ff_pair(nbins, j, i);
}
static inline int ff_pair_count(int nbins)
{
    return nbins * (nbins + 1) / 2;
}

/* Name ("omega_c", "m_1", ..) and LaTeX of parameter `par`; `out` has FF_NAME_SIZE bytes (LaTeX: 2*FF_NAME_SIZE). */
void ff_par_name(int nbins, int par, char *out);
void ff_par_latex(int nbins, int par, char *out);
/* A vector in words, "omega_c 0.26, omega_b 0.044, .."; of m and dz only what is not 0, as they are unless a job says otherwise. */
enum { FF_PAR_TEXT_SIZE = 480 };
void ff_par_text(int nbins, const double *theta, char out[FF_PAR_TEXT_SIZE]);
/* Place of a name, or -1. */
int ff_par_find(int nbins, const char *name);
/* Default value and the edges of what the model can mean (open: +-INFINITY). */
double ff_par_default(int nbins, int par);
void ff_par_edges(int nbins, int par, double *low, double *high);

enum ff_prior_kind { FF_PRIOR_FIXED, FF_PRIOR_NORMAL, FF_PRIOR_UNIFORM };
struct ff_prior {
    enum ff_prior_kind kind;
    double value;     /* fixed: the value; else the centre (normal: mean moved into [low, high]; uniform: middle) */
    double mean, sd;  /* normal */
    double low, high; /* support, -INFINITY / INFINITY where open */
};

enum ff_nz_kind { FF_NZ_SMAIL, FF_NZ_GAUSSIAN, FF_NZ_TABLE };

struct ff_curve { /* y(x), x strictly increasing, y >= 0 */
    long n;
    double *x, *y;
};

/* Source galaxies. Smail: p(z) ~ z^a exp(-(z/z0)^b) cut into nbins bins of equal number (z up to 10), each convolved with
** a Gaussian photo-z of sd sigma_z (1+z) (docs: physics, section 4). Gaussian: one bin each. Table: one curve each. */
struct ff_sources {
    enum ff_nz_kind kind;
    int nbins;
    double a, b, z0, sigma_z;               /* Smail */
    double z[FF_MAX_BINS], sd[FF_MAX_BINS]; /* Gaussian */
    struct ff_curve table[FF_MAX_BINS];     /* table: n(z) in any normalisation; owned by whoever filled it */
    double n_per_arcmin2[FF_MAX_BINS];      /* per bin, every kind */
};

/* A table of log-normal shifts: trilinear in (omega_m, sigma8, w0), clamped at the edges. */
struct ff_shift_table {
    int nom, ns8, nw0, nbins;
    double *omega_m, *sigma8, *w0; /* axes, strictly increasing */
    double *shift;                 /* (nom, ns8, nw0, nbins) */
};

enum ff_shift_kind { FF_SHIFT_PERTURBATION, FF_SHIFT_TABLE, FF_SHIFT_NUMBERS };
enum ff_variance { FF_VARIANCE_THEORY, FF_VARIANCE_EMPIRICAL };
enum ff_power { FF_POWER_HALOFIT, FF_POWER_LINEAR };
enum ff_simulator { FF_SIM_GAUSSIAN, FF_SIM_LOGNORMAL, FF_SIM_LPT, FF_SIM_PM };
enum ff_observable { FF_CONVERGENCE, FF_SHEAR, FF_REDUCED_SHEAR };

enum ff_paint_kernel { FF_PAINT_CIC, FF_PAINT_TSC };

/* A periodic box of matter moved by Lagrangian perturbation theory; z is the line of sight, the observer at z = 0 on the
** axis of the box (docs: physics, section 6). Particles start one a cell, `offset` of a cell off its centre. */
struct ff_lpt {
    int mesh[3];        /* cells along x, y, z: products of 2, 3 and 5 */
    double box_mpch[3]; /* sides, Mpc/h */
    int order;          /* 1 or 2 */
    double offset;      /* 0 <= offset < 1 */
    bool spectral;      /* displacements by i k, not by stencils */
    enum ff_paint_kernel paint;
    bool decic; /* divide by the window of the painting */
};

/* Maps on one flat patch; y up = +Dec, x right = +RA; bins from low z to high z. */
struct ff_maps {
    enum ff_observable observable; /* FF_CONVERGENCE or FF_SHEAR */
    int nbins, ncomp, npix;        /* ncomp: 1 convergence, 2 shear */
    double size_deg, ra_deg, dec_deg;
    float *map;      /* (nbins, ncomp, npix, npix) C order */
    float *noise_sd; /* same shape; INFINITY = masked; NULL = not given */
};

static inline long ff_maps_len(const struct ff_maps *m)
{
    return (long)m->nbins * m->ncomp * m->npix * m->npix;
}

#endif
