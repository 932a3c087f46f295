/* server/http/handlers.h - the handlers named by the table of route.c, by file. */
#ifndef FF_SERVER_HTTP_HANDLERS_H
#define FF_SERVER_HTTP_HANDLERS_H

#include "server/http/route.h"

/* health.c */
ff_err ff_get_health(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_ready(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_version(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_openapi(struct ff_request *r, ff_ctx *ctx);
/* exposition.c */
ff_err ff_get_metrics(struct ff_request *r, ff_ctx *ctx);
/* ui.c */
ff_err ff_get_root(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_ui(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_ui_file(struct ff_request *r, ff_ctx *ctx);
/* submit.c */
ff_err ff_post_job(struct ff_request *r, ff_ctx *ctx);
ff_err ff_post_retry(struct ff_request *r, ff_ctx *ctx);
ff_err ff_post_extend(struct ff_request *r, ff_ctx *ctx);
/* jobs.c */
ff_err ff_get_jobs(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_job(struct ff_request *r, ff_ctx *ctx);
ff_err ff_delete_job(struct ff_request *r, ff_ctx *ctx);
/* logs.c, events.c, samples.c */
ff_err ff_get_logs(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_events(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_samples(struct ff_request *r, ff_ctx *ctx);
/* draws.c, chunks.c, maps.c, result.c */
ff_err ff_get_draws(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_chunk(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_map(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_result(struct ff_request *r, ff_ctx *ctx);
/* datasets.c */
ff_err ff_post_dataset(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_datasets(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_dataset(struct ff_request *r, ff_ctx *ctx);
ff_err ff_delete_dataset(struct ff_request *r, ff_ctx *ctx);
/* workers.c */
ff_err ff_get_workers(struct ff_request *r, ff_ctx *ctx);
ff_err ff_post_drain(struct ff_request *r, ff_ctx *ctx);
/* users.c */
ff_err ff_post_user(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_users(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_user(struct ff_request *r, ff_ctx *ctx);
ff_err ff_delete_user(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_usage(struct ff_request *r, ff_ctx *ctx);
/* tokens.c */
ff_err ff_post_token(struct ff_request *r, ff_ctx *ctx);
ff_err ff_get_tokens(struct ff_request *r, ff_ctx *ctx);
ff_err ff_delete_token(struct ff_request *r, ff_ctx *ctx);

#endif
