/* worker/core/mesh.h - shapes of a periodic mesh of nx x ny x nz cells that the ranks of a communicator share by slabs
** along z, the line of sight. Plain numbers, passed by value: an operation does not know whether it runs on rank 3 of 8
** or alone. Cell (x, y, z) is centred at ((x + 1/2) side[0], (y + 1/2) side[1], (z + 1/2) side[2]).
**   fields    (nzl, ny, rp) reals: planes z0 .. z0 + nzl of all. "With g ghosts": g planes more stand before and after
**             them, copies of the periodic neighbours; pointers are to the first of the nzl all the same
**   spectra   (nyl, nz, cp, 2) reals, transposed: rows ky = y0 .. y0 + nyl, then kz, then kx = 0 .. h; unnormalised
**   latents   (nyl, nz, h+1, 2) reals, not padded: the public layout; ranks one after the other make (ny, nz, h+1, 2)
**   counts    (nzl, ny, rp) integers (int32 for float, int64 for double): mass in units of 2^-20 (2^-46) of a cell's mean
**   windows   (hi - lo, ny, rp): planes lo .. hi in unwrapped numbers (lo may be negative, hi beyond nz; hi - lo <= nz;
**             hi - lo == nz: all planes, and what is beyond one end is at the other)
** A row of a field has room for the half-complex row that its transform makes of it: rp = 2 cp. */
#ifndef FF_WORKER_CORE_MESH_H
#define FF_WORKER_CORE_MESH_H

#include <stddef.h>

struct ff_mesh {
    int nx, ny, nz;
    int h; /* nx/2 rounded down */
    int rank, nranks, threads;
    int z0, nzl; /* this rank's planes */
    int y0, nyl; /* this rank's rows of a spectrum */
    long rp, cp;
    double side[3]; /* of a cell along x, y, z, Mpc/h */
};

/* First of the n items that are rank's; the first n mod nranks ranks have one more than the others. A rank may have
** none. ff_mesh_first(n, nranks, nranks) == n. */
static inline int ff_mesh_first(int n, int nranks, int rank)
{
    const int least = n / nranks, more = n % nranks;
    return rank * least + (rank < more ? rank : more);
}
/* Whose item is i, 0 <= i < n? */
static inline int ff_mesh_owner(int n, int nranks, int i)
{
    const int least = n / nranks, more = n % nranks, split = more * (least + 1);
    return i < split ? i / (least + 1) : more + (i - split) / least;
}

static inline struct ff_mesh ff_mesh_make(const int cells[3], const double box_mpch[3], int rank, int nranks,
                                          int threads)
{
    struct ff_mesh m = {.nx = cells[0], .ny = cells[1], .nz = cells[2], .h = cells[0] / 2};
    m.rank = rank, m.nranks = nranks, m.threads = threads;
    m.z0 = ff_mesh_first(m.nz, nranks, rank);
    m.nzl = ff_mesh_first(m.nz, nranks, rank + 1) - m.z0;
    m.y0 = ff_mesh_first(m.ny, nranks, rank);
    m.nyl = ff_mesh_first(m.ny, nranks, rank + 1) - m.y0;
    m.cp = ((long)m.h + 1 + 7) / 8 * 8;
    m.rp = 2 * m.cp;
    for (int i = 0; i < 3; i++) m.side[i] = box_mpch[i] / cells[i];
    return m;
}

static inline long ff_mesh_cells(const struct ff_mesh *m)
{
    return (long)m->nx * m->ny * m->nz;
}
static inline long ff_mesh_plane(const struct ff_mesh *m) /* items in a plane, padding included */
{
    return (long)m->ny * m->rp;
}
static inline long ff_mesh_nlatent(const struct ff_mesh *m) /* reals of this rank's latents */
{
    return (long)m->nyl * m->nz * (m->h + 1) * 2;
}
/* Reals that an array needs which is to hold a field or a spectrum of this rank, whichever is larger. */
static inline long ff_mesh_room(const struct ff_mesh *m)
{
    const long field = (long)m->nzl * m->ny * m->rp, spectrum = (long)m->nyl * m->nz * m->rp;
    return field > spectrum ? field : spectrum;
}
/* Frequency of index i of n as a signed number. */
static inline int ff_mesh_mode(int n, int i)
{
    return i <= n / 2 ? i : i - n;
}

#endif
