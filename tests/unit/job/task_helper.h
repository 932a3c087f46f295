/* tests/unit/job/task_helper.h - tasks as a farm runs them: each in a process of its own, which knows nothing but folders, and may be killed.
** Folders are BASE/TASK.ATTEMPT; `newest` of a farm says which attempt of a task committed. */
#ifndef FF_TESTS_JOB_TASK_HELPER_H
#define FF_TESTS_JOB_TASK_HELPER_H

#include "tests/unit/job/job_helper.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "files/h5.h"
#include "worker/job/task.h"

enum { FARM_TASKS = 8 };

/* What a process did, seen from outside. */
struct outcome {
    int signal; /* it was killed by, or 0 */
    int status; /* of its exit: 0 unless it ended at a fault point */
    ff_err err;
    enum ff_task_end end;
    long draws, samples, progress, maps, saves, warnings;
    double ess; /* of the last progress event; -1: null or none */
    char message[FF_MESSAGE_SIZE];
};

/* Where in its life a process is stopped: after so many samples; 0: never. */
struct fate {
    long stop_after, kill_after;
    double checkpoint_s; /* 0: no clocked checkpoints */
    int threads;         /* 0: 1 */
    double assemble_bytes;
};

struct farm {
    char base[256];
    const char *job; /* text */
    int newest[FARM_TASKS];
    struct outcome *seen; /* shared with the process */
};

static inline void farm_init(struct farm *f, const char *job)
{
    memset(f, 0, sizeof *f);
    temporary_folder(f->base);
    f->job = job;
    f->seen = mmap(NULL, sizeof *f->seen, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(f->seen, MAP_FAILED);
}

static inline void farm_done(struct farm *f)
{
    char command[300];
    snprintf(command, sizeof command, "rm -rf '%s'", f->base);
    assert_int_equal(system(command), 0);
    munmap(f->seen, sizeof *f->seen);
}

static inline void folder_of(const struct farm *f, const char *task, int attempt, char *path)
{
    snprintf(path, 400, "%s/%s.%d", f->base, task, attempt);
}

/* ---- inside the process ---- */

struct inside {
    struct farm *farm;
    const struct fate *fate;
    struct ff_task *tasks;
    int ntasks;
    volatile sig_atomic_t stop;
    char path[400];
};

static inline void watch(void *self, const char *task, json_t *event)
{
    struct inside *in = self;
    struct outcome *o = in->farm->seen;
    const char *type = json_string_value(json_object_get(event, "type"));
    (void)task;
    o->samples += !strcmp(type, "sample");
    o->progress += !strcmp(type, "progress");
    o->maps += !strcmp(type, "map");
    o->warnings += !strcmp(type, "log");
    if (!strcmp(type, "progress")) {
        const json_t *ess = json_object_get(event, "ess");
        o->ess = json_is_number(ess) ? json_number_value(ess) : -1;
    }
    if (in->fate->stop_after && o->samples >= in->fate->stop_after) in->stop = 1;
    if (in->fate->kill_after && o->samples >= in->fate->kill_after) raise(SIGKILL);
    json_decref(event);
}

static inline void count_save(void *self)
{
    ((struct inside *)self)->farm->seen->saves++;
}

static inline const char *folder_done(void *self, const char *name)
{
    struct inside *in = self;
    for (int i = 0; i < in->ntasks; i++)
        if (!strcmp(in->tasks[i].name, name) && in->farm->newest[i]) {
            folder_of(in->farm, name, in->farm->newest[i], in->path);
            return in->path;
        }
    return NULL;
}

static inline ff_err parse(const char *text, struct ff_job **job, ff_ctx *ctx)
{
    return ff_job_parse_task(job, text, strlen(text), NULL, NULL, ctx);
}

/* task < 0: the whole job at once, into BASE/job.h5. */
static inline ff_err run_inside(struct inside *in, int task, int attempt, const char *resume_dir, long draws,
                                ff_ctx *ctx)
{
    struct outcome *o = in->farm->seen;
    struct ff_job *job;
    struct ff_prepared prepared;
    char folder[400], out[420];
    const int threads = in->fate->threads ? in->fate->threads : 1;
    ff_err err = parse(in->farm->job, &job, ctx);
    if (!err) err = ff_prepare(&prepared, job, threads, ctx);
    if (!err) err = ff_tasks_split(job, &in->tasks, &in->ntasks, ctx);
    if (err) return err;
    folder_of(in->farm, task < 0 ? "job" : in->tasks[task].name, attempt, folder);
    snprintf(out, sizeof out, task < 0 ? "%s/job.h5" : "%s/result.h5", task < 0 ? in->farm->base : folder);
    const struct ff_run run = {.prepared = &prepared,
                               .out = out,
                               .ckpt_dir = folder,
                               .threads = threads,
                               .checkpoint_s = in->fate->checkpoint_s > 0 ? in->fate->checkpoint_s : 1e9,
                               .sink = {.self = in, .emit = watch},
                               .stop = &in->stop};
    if (task < 0) return ff_run_job(&run, ctx);
    const struct ff_task_run t = {.run = run,
                                  .task = &in->tasks[task],
                                  .resume_dir = resume_dir,
                                  .done = {.self = in, .of = folder_done},
                                  .draws = draws,
                                  .assemble_bytes = in->fate->assemble_bytes,
                                  .checkpointed = count_save,
                                  .checkpointed_self = in};
    return ff_run_task(&t, &o->end, &o->draws, ctx);
}

/* ---- outside ---- */

/* Runs task number `task` as this attempt in a new process, going on from attempt `resume` (0: none). */
static inline struct outcome farm_run_from(struct farm *f, int task, int attempt, const char *resume_dir, long draws,
                                           struct fate fate)
{
    *f->seen = (struct outcome){.ess = -1};
    fflush(stdout);
    const pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        ff_ctx ctx = {0};
        struct inside in = {.farm = f, .fate = &fate};
        f->seen->err = run_inside(&in, task, attempt, resume_dir, draws, &ctx);
        snprintf(f->seen->message, sizeof f->seen->message, "%s", ctx.message);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    struct outcome o = *f->seen;
    o.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    o.status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    if (!o.signal && !o.status && !o.err) f->newest[task < 0 ? FARM_TASKS - 1 : task] = attempt;
    return o;
}

static inline struct outcome farm_run(struct farm *f, int task, const char *name, int attempt, int resume, long draws,
                                      struct fate fate)
{
    char resume_dir[400];
    folder_of(f, name, resume, resume_dir);
    return farm_run_from(f, task, attempt, resume ? resume_dir : NULL, draws, fate);
}

static inline void check_done(struct outcome o)
{
    if (o.signal || o.status || o.err || o.end != FF_TASK_DONE)
        fail_msg("signal %d, error %s, end %d: %s", o.signal, o.err ? ff_code_slug(o.err) : "none", o.end, o.message);
}

/* ---- results ---- */

static inline void check_same_dataset(ff_h5r *a, ff_h5r *b, const char *name)
{
    ff_ctx ctx = {0};
    void *x, *y;
    char **texts, **others;
    int rank[2], n, m;
    long shape[2][FF_MAX_RANK], elements = 1;
    if (ff_h5r_get(a, name, FF_F64_T, 1 << 24, &x, &rank[0], shape[0], &ctx)) { /* names */
        check_ok(ff_h5r_labels(a, name, &texts, &n, &ctx), &ctx);
        check_ok(ff_h5r_labels(b, name, &others, &m, &ctx), &ctx);
        assert_int_equal(n, m);
        for (int i = 0; i < n; i++) assert_string_equal(texts[i], others[i]);
        ff_names_free(texts, n);
        ff_names_free(others, m);
        return;
    }
    check_ok(ff_h5r_get(b, name, FF_F64_T, 1 << 24, &y, &rank[1], shape[1], &ctx), &ctx);
    assert_int_equal(rank[0], rank[1]);
    for (int i = 0; i < rank[0]; i++) {
        assert_int_equal(shape[0][i], shape[1][i]);
        elements *= shape[0][i];
    }
    if (memcmp(x, y, (size_t)elements * sizeof(double))) fail_msg("%s differs", name);
    free(x);
    free(y);
}

/* Every dataset but seconds, and the counters, of two results. Returns how many datasets were compared. */
static inline int check_same_results(const char *one, const char *two)
{
    ff_ctx ctx = {0};
    ff_h5r *a, *b;
    char **groups, **names, **others;
    int ngroups, n, m, compared = 0;
    check_ok(ff_h5r_open(&a, one, &ctx), &ctx);
    check_ok(ff_h5r_open(&b, two, &ctx), &ctx);
    check_ok(ff_h5r_list(a, "/", &groups, &ngroups, &ctx), &ctx);
    for (int g = 0; g < ngroups; g++) {
        check_ok(ff_h5r_list(a, groups[g], &names, &n, &ctx), &ctx);
        check_ok(ff_h5r_list(b, groups[g], &others, &m, &ctx), &ctx);
        assert_int_equal(n, m);
        for (int i = 0; i < n; i++) {
            char path[300];
            assert_string_equal(names[i], others[i]);
            snprintf(path, sizeof path, "%s/%s", groups[g], names[i]);
            if (!strcmp(names[i], "seconds")) continue;
            check_same_dataset(a, b, path);
            compared++;
        }
        ff_names_free(names, n);
        ff_names_free(others, m);
    }
    static const char *const counters[] = {"gradients", "model_evaluations", "seed"};
    for (int i = 0; i < 3; i++) {
        double x, y;
        check_ok(ff_h5r_attr_number(a, "", counters[i], &x, &ctx), &ctx);
        check_ok(ff_h5r_attr_number(b, "", counters[i], &y, &ctx), &ctx);
        check_close(counters[i], y, x, 0);
    }
    ff_names_free(groups, ngroups);
    ff_h5r_close(a);
    ff_h5r_close(b);
    return compared;
}

/* The result of task `task`'s newest attempt against that of the whole job, which is run here. */
static inline int check_same_as_job(struct farm *f, int task, const char *name)
{
    char whole[400], folder[400], result[420];
    check_done(farm_run_from(f, -1, 1, NULL, 0, (struct fate){.threads = 2}));
    snprintf(whole, sizeof whole, "%s/job.h5", f->base);
    folder_of(f, name, f->newest[task], folder);
    snprintf(result, sizeof result, "%s/result.h5", folder);
    return check_same_results(whole, result);
}

#endif
