/* client/ffctl/complain.c - see complain.h. */
#include "client/ffctl/complain.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/event.h"

static void advise(char *out, size_t size, ff_err code, const char *command)
{
    switch (code) {
    case FF_EUSAGE:
        snprintf(out, size, "'ffctl help%s%s' shows how it is used", command ? " " : "", command ? command : "");
        break;
    case FF_EBADJSON:
    case FF_EBADJOB:
        snprintf(out, size, "correct the job and run it again; docs/job.md lists every member");
        break;
    case FF_ENOTBUILT:
        snprintf(out, size, "'ffctl help' lists what this build can do");
        break;
    case FF_ENOFILE:
        snprintf(out, size, "check the path");
        break;
    case FF_EBADFILE:
        snprintf(out, size, "check that it is the file you meant, and that it was copied whole");
        break;
    case FF_ETOOLARGE:
    case FF_ENOMEM:
        snprintf(out, size, "ask for less at once (pixels, bins, chains), or use a machine with more memory");
        break;
    case FF_EDISKFULL:
        snprintf(out, size, "make room and repeat the command; what was checkpointed is kept (--resume)");
        break;
    case FF_ECHECKPOINT:
        snprintf(out, size, "wait for the other run, choose another -o, or start over without --resume");
        break;
    case FF_EOUTSIDE:
    case FF_ENUMERIC:
        snprintf(out, size, "look at the priors of the job; 'ffworker --check JOB.json' checks its model");
        break;
    case FF_EAUTH:
        snprintf(out, size, "ask for a token and use it: ffctl login --server URL --token-file FILE");
        break;
    case FF_EFORBIDDEN:
        snprintf(out, size, "this is for an administrator's token");
        break;
    case FF_ENOTFOUND:
        snprintf(out, size, "'ffctl ls' lists your jobs; another user's are not found");
        break;
    case FF_EQUOTA:
    case FF_EBUSY:
        snprintf(out, size, "try again later; 'ffctl usage' and 'ffctl ls' show what is in use");
        break;
    case FF_ECONFLICT:
    case FF_ETIMEOUT:
        snprintf(out, size, "'ffctl describe ID' shows the state of a job and what can be done");
        break;
    case FF_EUNREACHABLE:
        snprintf(out, size,
                 "does the server run, is the address right ('ffctl login --list')? then repeat the command");
        break;
    case FF_EVERSION:
        snprintf(out, size, "use the ffctl that came with the server ('ffctl version --check')");
        break;
    case FF_ECORRUPT:
        snprintf(out, size, "repeat the command; if it stays, tell the operator of the server");
        break;
    default:
        snprintf(out, size, "%s", code == FF_EBUG ? "please report this with the whole message" : "");
    }
}

static void complain_json(const ff_ctx *ctx, int exit_code, const char *advice)
{
    json_t *error = ff_problem(ctx);
    if (error) {
        json_object_set_new(error, "exit_code", json_integer(exit_code));
        json_object_set_new(error, "next", json_string(advice));
        json_dumpf(error, stderr, JSON_COMPACT);
    } else {
        fprintf(stderr, "{\"type\":\"%s\",\"detail\":null}", ff_code_slug(ctx->code));
    }
    fputc('\n', stderr);
    json_decref(error);
}

void ff_complain(const struct ff_cli *cli, int exit_code, const char *command)
{
    const ff_ctx *ctx = &cli->ctx;
    char advice[160];
    advise(advice, sizeof advice, ctx->code, command);
    if (cli->json) {
        complain_json(ctx, exit_code, advice);
        return;
    }
    const char *red = cli->colour_err ? "\033[31;1m" : "", *plain = cli->colour_err ? "\033[0m" : "";
    fprintf(stderr, "%sffctl: error:%s %s\n", red, plain, ctx->message);
    if (ctx->pointer[0]) fprintf(stderr, "  where: %s\n", ctx->pointer);
    for (int i = 0; i < ctx->nframes; i++) {
        if (ctx->frames[i].note[0]) fprintf(stderr, "  %s\n", ctx->frames[i].note);
    }
    if (ctx->code == FF_EBUG && ctx->nframes > 0) {
        fprintf(stderr, "  at %s:%d\n", ctx->frames[0].file, ctx->frames[0].line);
    }
    if (advice[0]) fprintf(stderr, "  next: %s\n", advice);
}
