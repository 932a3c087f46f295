/* server/store/store.h - the bytes: datasets by hash, files of attempts, results; verified, served, previewed, kept
** or thrown away. Layout of DIR (owner only):
**   token                          32 random bytes in hexadecimal: a gang that reads the same text shares the store
**   datasets/<sha256>.h5
**   work/<job>/<task>.<attempt>/   checkpoints and parts of an attempt, written by its gang
**   results/<job>/<task>.<attempt>.h5
**   uploads/<random>.part          what is being received
**   reserve                        a pre-allocated file, released on a full disk so that the server can still answer
** Paths are made from ids and checked names only; files are opened below the folder's descriptor, and no symbolic
** link is followed. Calls may come from any thread, for one ff_upload and one coming file from one at a time.
** Errors of every call: FF_ESTORAGE (a folder is gone, forbidden, a link), FF_EDISKFULL, FF_EIO, FF_ENOMEM,
** FF_EBUSY (no descriptors). Messages about what a user sent name no path of the store. HDF5 is used in limited
** children only (files/guard.h): a process that opens a store uses that library nowhere else. */
#ifndef FF_SERVER_STORE_STORE_H
#define FF_SERVER_STORE_STORE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "common/err.h"

typedef struct ff_storehouse ff_storehouse;

struct ff_storehouse_config {
    const char *dir;
    int64_t reserve_bytes;   /* of the emergency file; 0: none */
    int64_t keep_free_bytes; /* new jobs and uploads are refused below this */
};
FF_MUST_USE ff_err ff_storehouse_open(ff_storehouse **out, const struct ff_storehouse_config *config, ff_ctx *ctx);
void ff_storehouse_close(ff_storehouse *s);
const char *ff_storehouse_dir(const ff_storehouse *s);
const char *ff_storehouse_token(const ff_storehouse *s);

/* FF_EDISKFULL, with the numbers, when `bytes` more would leave less than keep_free_bytes. */
FF_MUST_USE ff_err ff_storehouse_room(ff_storehouse *s, int64_t bytes, ff_ctx *ctx);

/* ---- files of attempts ---- */
/* Relative path "work/<job>/<task>.<attempt>/<name>" (name NULL: of the folder); FF_EBADFILE when the job is no id,
** the task not of [a-z0-9-], the attempt below 1, or the name not a plain one ([A-Za-z0-9._-]{1,100}, not starting
** with '.'). */
FF_MUST_USE ff_err ff_storehouse_work_path(char *out, size_t size, const char *job, const char *task, int attempt,
                                           const char *name, ff_ctx *ctx);
/* A chunk of a file (a path in work/) from a gang without a shared store, in order; *have: bytes so far, where to
** go on. A chunk seen before and one after a gap change nothing. The file appears under its name when all `size`
** bytes are there, on the disk, and their hash agrees; FF_ECORRUPT: it does not, and *have is 0 again. FF_EBADFILE,
** FF_ETOOLARGE. */
FF_MUST_USE ff_err ff_storehouse_put(ff_storehouse *s, const char *path, int64_t offset, int64_t size,
                                     const char *sha256, const void *bytes, size_t nbytes, int64_t *have, ff_ctx *ctx);
/* Bytes from an offset of a file by its relative path ("work/..", "results/..", "datasets/<sha256>.h5"); *got is
** less than `size` at the end of the file, *total its length. FF_ENOTFOUND. */
FF_MUST_USE ff_err ff_storehouse_read(ff_storehouse *s, const char *path, int64_t offset, void *bytes, size_t size,
                                      size_t *got, int64_t *total, ff_ctx *ctx);
/* Names, sizes and hashes of the files of an attempt, by name: [{"name","size","sha256"}]; none: []. */
FF_MUST_USE ff_err ff_storehouse_list(ff_storehouse *s, const char *job, const char *task, int attempt, json_t **out,
                                      ff_ctx *ctx);
/* The result of an attempt into results/: renamed from work/, size and SHA-256 checked first (FF_ECORRUPT, the file
** is kept), folder synced; `path` relative (size 512). Already there with the same hash: fine; with another:
** FF_ECORRUPT, a result never changes. FF_ENOTFOUND: the gang's file is not there. */
FF_MUST_USE ff_err ff_storehouse_accept(ff_storehouse *s, const char *job, const char *task, int attempt,
                                        const char *name, int64_t size, const char *sha256, char path[512],
                                        ff_ctx *ctx);
/* Throws away attempts of a task other than `keep`, or all of a job's work, or a job's result. */
void ff_storehouse_drop_attempts(ff_storehouse *s, const char *job, const char *task, int keep);
void ff_storehouse_drop_work(ff_storehouse *s, const char *job);
void ff_storehouse_drop_result(ff_storehouse *s, const char *job);
/* What a draws job that has its result needs no more: with `arrays`, which are part of the result then, all but the
** .npy files of its chunks; else all of its work. */
void ff_storehouse_drop_draws(ff_storehouse *s, const char *job, bool arrays);

/* ---- results ---- */
/* Opens for serving. The hash is checked once per process and again when mtime, size or inode changed: FF_ECORRUPT,
** also when the file is gone (the whole folder gone: FF_ESTORAGE). */
FF_MUST_USE ff_err ff_storehouse_open_result(ff_storehouse *s, const char *path, int64_t size, const char *sha256,
                                             int *fd, ff_ctx *ctx);

/* A result of draws may leave its arrays in the files of its chunks (files/chunks.h): the bytes of those, 0: it has all
** in itself. path: relative, of a result that was accepted. */
FF_MUST_USE ff_err ff_storehouse_chunk_bytes(ff_storehouse *s, const char *path, int64_t *bytes, ff_ctx *ctx);
/* Such a file, of array `name` ("x") of the chunk that task `task` ("draws-12") made, opened for serving with its hash
** checked as that of a result is. attempts: of the chunks ({"draws-12": 1, ..}). FF_ENOTFOUND: no such chunk or
** array. */
struct ff_chunk_request {
    const char *job, *result, *task, *name;
    const json_t *attempts;
};
FF_MUST_USE ff_err ff_storehouse_open_chunk(ff_storehouse *s, const struct ff_chunk_request *request, int *fd,
                                            int64_t *size, char sha256[65], ff_ctx *ctx);

/* ---- datasets ---- */
struct ff_upload; /* one dataset being received */
/* FF_EDISKFULL; FF_ETOOLARGE above 64 GiB. After an error of ff_upload_write: ff_upload_abandon. */
FF_MUST_USE ff_err ff_upload_begin(struct ff_upload **out, ff_storehouse *s, ff_ctx *ctx);
FF_MUST_USE ff_err ff_upload_write(struct ff_upload *u, const void *bytes, size_t size, ff_ctx *ctx);
/* Checked by files/dataset.h in a limited child, hashed, moved to datasets/. kind: "convergence", "shear", "nz",
** "shift". Frees u in any case. FF_EBADFILE says what is wrong with the file. */
FF_MUST_USE ff_err ff_upload_end(struct ff_upload *u, char sha256[65], char kind[16], int64_t *size, ff_ctx *ctx);
void ff_upload_abandon(struct ff_upload *u);
/* Absolute path of a dataset, "" when sha256 is none. */
void ff_storehouse_dataset_path(const ff_storehouse *s, const char *sha256, char *out, size_t size);
void ff_storehouse_drop_dataset(ff_storehouse *s, const char *sha256);

/* ---- maps while a chain runs, and of results ---- */
/* One bin of a map of a finished job's result (any (bin,y,x) or (bin,component,y,x) of its /maps: "convergence_mean",
** "convergence_sd", ..), or of a running job: its gangs leave previews, maps.npy ((map,bin,y,x) f32) and maps.json
** ({"names","draws","size_deg", "ra_deg","dec_deg"}) beside it, in their attempt's folder at each checkpoint, merged
** here over chains. bytes malloc'ed: npy f32 (y,x), with the bin axis before it when bin < 0, and the component axis
** where the map has one and component < 0; fits, png (bin, component < 0: 0; FITS has component 1 with the sign of its
** mirrored frame, files/fits.h). Errors: FF_ENOTFOUND names the maps there are; FF_EBADREQUEST (bin, component,
** format), FF_ETOOLARGE, FF_EBUSY, FF_ECORRUPT (a damaged file). */
struct ff_map_request {
    const char *job;
    const char *result;     /* path of the result, or NULL: running */
    const json_t *attempts; /* running: {"chain-0": 1, ..} */
    const char *name;
    int bin, component;
    const char *format;
};
FF_MUST_USE ff_err ff_storehouse_map(ff_storehouse *s, const struct ff_map_request *request, void **bytes, size_t *size,
                                     ff_ctx *ctx);
/* Rows start .. start+count (cut at the end) of a draws result, or of the finished chunks of a running job, as
** consecutive .npy: theta f64, x f32, valid u1, score f32 when there. Running: `attempts` are those that succeeded
** ({"draws-0": 1, ..}), whose folders hold theta.npy, x.npy, valid.npy and perhaps score.npy of their rows; there are
** the rows of the chunks from draws-0 on up to the first that is missing. A result with its arrays in such files
** (`chunked`) is served from them too, each checked against the hash in the result. Errors: FF_ERANGE (start beyond the
** end), FF_ENOTFOUND (none yet, or no draws in this result), FF_EBADREQUEST, FF_ETOOLARGE (ask for fewer), FF_EBUSY,
** FF_ECORRUPT. */
struct ff_draws_request {
    const char *job, *result; /* result NULL: running */
    bool chunked;
    const json_t *attempts;
    long start, count;
};
FF_MUST_USE ff_err ff_storehouse_draws(ff_storehouse *s, const struct ff_draws_request *request, void **bytes,
                                       size_t *size, ff_ctx *ctx);

/* ---- sweeps ---- */
/* Files with no row, older than a day: reported as a list of paths, never deleted. known(self, path) asks the queue
** about "datasets/NAME", "results/JOB/NAME", "work/JOB/TASK.N" (a folder) and "uploads/NAME". */
FF_MUST_USE ff_err ff_storehouse_orphans(ff_storehouse *s, bool (*known)(void *self, const char *path), void *self,
                                         json_t **out, ff_ctx *ctx);
/* Gives the reserve back to the disk, or takes it again, where that leaves keep_free_bytes. */
void ff_storehouse_release_reserve(ff_storehouse *s);
void ff_storehouse_take_reserve(ff_storehouse *s);

#endif
