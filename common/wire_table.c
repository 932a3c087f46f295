/* common/wire_table.c - the members of every message (proto/wire.md) as one table; see wire_inner.h. */
#include "common/job.h"
#include "common/wire_inner.h"

enum { MAX_FILES = 100000, MAX_HOLDING = 64, MAX_EVENTS = 256, MAX_MS = 1000000000 };
#define MAX_BYTES (INT64_C(1) << 50)

/* clang-format off: one member a line */
#define IS(name, rule)                                                                                                 \
    {                                                                                                                  \
        name, rule, .low = 0                                                                                           \
    }
#define MAYBE(name, rule)                                                                                              \
    {                                                                                                                  \
        name, rule, .optional = true                                                                                   \
    }
#define OR_NONE(name, rule)                                                                                            \
    {                                                                                                                  \
        name, rule, .none = true                                                                                       \
    }
#define TEXT(name, most)                                                                                               \
    {                                                                                                                  \
        name, WIRE_TEXT, .high = (most)                                                                                \
    }
#define INTEGER(name, least, most)                                                                                     \
    {                                                                                                                  \
        name, WIRE_INTEGER, .low = (least), .high = (most)                                                             \
    }
#define SIZE(name) INTEGER(name, 0, MAX_BYTES)
#define NUMBER(name, most)                                                                                             \
    {                                                                                                                  \
        name, WIRE_NUMBER, .high = (most)                                                                              \
    }
#define MAYBE_TEXT(name, most)                                                                                         \
    {                                                                                                                  \
        name, WIRE_TEXT, .optional = true, .high = (most)                                                              \
    }
#define MAYBE_NUMBER(name, most)                                                                                       \
    {                                                                                                                  \
        name, WIRE_NUMBER, .optional = true, .high = (most)                                                            \
    }
#define LIST(name, most, table)                                                                                        \
    {                                                                                                                  \
        name, WIRE_LIST, .high = (most), .inside = (table)                                                             \
    }
#define MAYBE_LIST(name, most, table)                                                                                  \
    {                                                                                                                  \
        name, WIRE_LIST, .optional = true, .high = (most), .inside = (table)                                           \
    }
#define WORD(name, words)                                                                                              \
    {                                                                                                                  \
        name, WIRE_WORD, .inside = (words)                                                                             \
    }
#define ATTEMPT IS("job", WIRE_JOB), IS("task", WIRE_TASK_NAME), INTEGER("attempt", 1, INT32_MAX)
/* An attempt, or "", "", 0 where the file is a dataset. */
#define ATTEMPT_OR_NONE OR_NONE("job", WIRE_JOB), OR_NONE("task", WIRE_TASK_NAME), INTEGER("attempt", 0, INT32_MAX)
#define END                                                                                                            \
    {                                                                                                                  \
        .name = NULL                                                                                                   \
    }

static const char *const outcomes[] = {"succeeded", "again", "failed", "released", "environment", NULL};
static const char *const verdicts[] = {"committed", "stale", NULL};
static const char *const whys[] = {"cancel", "drain", "fenced", "walltime", "shutdown", NULL};
static const char *const event_types[] = {"state", "progress", "sample", "map", "log", "end", NULL};

typedef const struct ff_wire_member table[];

static table held = {ATTEMPT, END};
static table held_alive = {ATTEMPT, INTEGER("counter", 0, INT64_MAX), MAYBE_NUMBER("last_iteration_ms", MAX_MS),
                           MAYBE_NUMBER("expect_next_ms", MAX_MS), END};
static table event = {WORD("type", event_types), END};
static table made_file = {IS("name", WIRE_FILE_NAME), SIZE("size"), IS("sha256", WIRE_SHA256), END};
static table other_file = {ATTEMPT, IS("name", WIRE_FILE_NAME), SIZE("size"), IS("sha256", WIRE_SHA256), END};
static table dataset = {IS("id", WIRE_DATASET), IS("sha256", WIRE_SHA256), SIZE("size"),
                        MAYBE_TEXT("path", FF_PATH_SIZE - 1), END};
static table extended = {IS("job", WIRE_JOB), IS("attempts", WIRE_ATTEMPTS), END};

static table hello = {TEXT("name", 255),
                      TEXT("build", 127),
                      TEXT("cpu_class", 255),
                      TEXT("backend", 31),
                      TEXT("device", 255),
                      IS("pool", WIRE_POOL),
                      INTEGER("ranks", 1, 65536),
                      INTEGER("threads", 1, 1 << 24),
                      NUMBER("memory_bytes", MAX_BYTES),
                      IS("gpu", WIRE_BOOL),
                      TEXT("instance", 63),
                      MAYBE_TEXT("store_token", 127),
                      MAYBE_LIST("holding", MAX_HOLDING, held),
                      END};
static table heartbeat = {MAYBE_LIST("holding", MAX_HOLDING, held_alive), MAYBE_NUMBER("free_memory_bytes", MAX_BYTES),
                          END};
static table events = {ATTEMPT, INTEGER("from", 1, INT64_MAX), LIST("events", MAX_EVENTS, event), END};
static table commit = {ATTEMPT,
                       WORD("outcome", outcomes),
                       MAYBE_TEXT("reason", 63),
                       {"message", WIRE_PROSE, .optional = true, .high = 4095},
                       MAYBE("problem", WIRE_OBJECT),
                       MAYBE("state", WIRE_OBJECT),
                       MAYBE_LIST("files", MAX_FILES, made_file),
                       MAYBE("result", WIRE_FILE_NAME),
                       MAYBE_NUMBER("core_seconds", MAX_BYTES),
                       MAYBE_NUMBER("gpu_seconds", MAX_BYTES),
                       END};
static table put = {ATTEMPT, IS("name", WIRE_FILE_NAME), SIZE("offset"), SIZE("size"), IS("sha256", WIRE_SHA256), END};
static table get = {ATTEMPT_OR_NONE, IS("name", WIRE_FILE_NAME), SIZE("offset"), END};
static table bye = {MAYBE_TEXT("reason", 63), END};

static table welcome = {IS("worker", WIRE_WORKER),          INTEGER("heartbeat_ms", 1, MAX_MS),
                        INTEGER("lease_ms", 1, MAX_MS),     INTEGER("credit", 1, 1 << 24),
                        TEXT("store", FF_PATH_SIZE - 1),    NUMBER("checkpoint_s", MAX_MS),
                        INTEGER("protocol", 0, UINT16_MAX), END};
static table refused = {{"detail", WIRE_PROSE, .high = 4095}, INTEGER("protocol", 0, UINT16_MAX), END};
static table task = {ATTEMPT,
                     INTEGER("first", 0, INT64_MAX),
                     INTEGER("count", 0, INT64_MAX),
                     TEXT("kind", 11),
                     IS("spec", WIRE_OBJECT),
                     MAYBE("state", WIRE_OBJECT),
                     MAYBE("inputs", WIRE_ATTEMPTS),
                     {"resume", WIRE_INTEGER, .optional = true, .high = INT32_MAX},
                     {"extend", WIRE_OBJECT, .optional = true, .inside = extended},
                     MAYBE_LIST("datasets", FF_MAX_DATASETS, dataset),
                     MAYBE_LIST("files", MAX_FILES, other_file),
                     MAYBE_NUMBER("memory_bytes", MAX_BYTES),
                     MAYBE_NUMBER("walltime_s", MAX_MS),
                     END};
static table taken = {ATTEMPT, INTEGER("upto", 0, INT64_MAX), END};
static table verdict = {ATTEMPT, WORD("verdict", verdicts), END};
static table stop_attempt = {ATTEMPT, WORD("why", whys), END};
static table stop_gang = {WORD("why", whys), END};
static table stored = {ATTEMPT, IS("name", WIRE_FILE_NAME), SIZE("have"), END};
static table chunk = {ATTEMPT_OR_NONE, IS("name", WIRE_FILE_NAME), SIZE("offset"),
                      SIZE("size"),    IS("eof", WIRE_BOOL),       END};
static table again = {END};
/* clang-format on */

static const struct message {
    enum ff_wire_type type;
    const char *name;
    bool blob;
    const struct ff_wire_member *members;
} messages[] = {
    {FF_WIRE_HELLO, "HELLO", false, hello},
    {FF_WIRE_HEARTBEAT, "HEARTBEAT", false, heartbeat},
    {FF_WIRE_EVENTS, "EVENTS", false, events},
    {FF_WIRE_COMMIT, "COMMIT", false, commit},
    {FF_WIRE_PUT, "PUT", true, put},
    {FF_WIRE_GET, "GET", false, get},
    {FF_WIRE_BYE, "BYE", false, bye},
    {FF_WIRE_WELCOME, "WELCOME", false, welcome},
    {FF_WIRE_REFUSED, "REFUSED", false, refused},
    {FF_WIRE_TASK, "TASK", false, task},
    {FF_WIRE_TAKEN, "TAKEN", false, taken},
    {FF_WIRE_VERDICT, "VERDICT", false, verdict},
    {FF_WIRE_STOP, "STOP", false, stop_attempt},
    {FF_WIRE_STORED, "STORED", false, stored},
    {FF_WIRE_CHUNK, "CHUNK", true, chunk},
    {FF_WIRE_AGAIN, "AGAIN", false, again},
};

static const struct message *message_of(int type)
{
    for (size_t i = 0; i < sizeof messages / sizeof messages[0]; i++) {
        if ((int)messages[i].type == type) return &messages[i];
    }
    return NULL;
}

const struct ff_wire_member *ff_wire_members(int type, bool attempt)
{
    const struct message *m = message_of(type);
    if (!m) return NULL;
    return type == FF_WIRE_STOP && !attempt ? stop_gang : m->members;
}

bool ff_wire_has_blob(int type)
{
    const struct message *m = message_of(type);
    return m && m->blob;
}

const char *ff_wire_name(enum ff_wire_type type)
{
    const struct message *m = message_of((int)type);
    return m ? m->name : "?";
}
