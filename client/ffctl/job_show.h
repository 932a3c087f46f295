/* client/ffctl/job_show.h - a job of a server for people: facts, progress, tasks, why, and what to do next. */
#ifndef FF_CLIENT_JOB_SHOW_H
#define FF_CLIENT_JOB_SHOW_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

void ff_job_show(FILE *out, const json_t *job);
/* With why it is so and its tasks; `colour` for the headings. */
void ff_job_explain(FILE *out, const json_t *job, bool colour);
/* The commands that make sense in its state, after "next:". */
void ff_job_next(FILE *out, const json_t *job);

#endif
