/* client/ffctl/datasets.h - files as datasets of a server: sent once, known by their hash, and put in the place of "@path". */
#ifndef FF_CLIENT_DATASETS_H
#define FF_CLIENT_DATASETS_H

#include "client/ffctl/remote.h"

/* Sends a file, unless the server has one of the same bytes that is ours; *id: its id (malloc'ed). *sent may be NULL. */
FF_MUST_USE ff_err ff_dataset_send(struct ff_remote *r, const char *path, const char *name, char **id, bool *sent);

/* Puts ids in the place of every "@path" of a job, where the contract has a dataset. Paths are relative to `folder`.
** pretend: nothing is sent; a file the server does not have gets an id that says so, all zeros.
** report: {"datasets": [{"file", "sha256", "id" or null, "sent"}]} is added to, borrowed. */
FF_MUST_USE ff_err ff_datasets_place(struct ff_remote *r, json_t *job, const char *folder, bool pretend,
                                     json_t *report);

#endif
