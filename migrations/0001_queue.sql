-- Schema 1: users, tokens, jobs, tasks, events, datasets, results, idempotency keys.
-- Times are milliseconds since 1970. Columns `hash` cover the other columns of their row that never change; they are
-- made and checked by ff_hash(), a function of the server's own connections.
-- Counters of users are kept by triggers, so that no code path can forget one.

CREATE TABLE users (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    admin INTEGER NOT NULL CHECK (admin IN (0, 1)),
    created_ms INTEGER NOT NULL,
    removed_ms INTEGER,
    -- quotas; 0: the server's default
    quota_queued INTEGER NOT NULL CHECK (quota_queued >= 0),
    quota_running INTEGER NOT NULL CHECK (quota_running >= 0),
    quota_rate INTEGER NOT NULL CHECK (quota_rate >= 0),
    quota_bytes REAL NOT NULL CHECK (quota_bytes >= 0),
    hash TEXT NOT NULL,
    -- account
    core_seconds REAL NOT NULL DEFAULT 0,
    gpu_seconds REAL NOT NULL DEFAULT 0,
    jobs INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL DEFAULT 0,
    -- fair share: core-seconds that fade, as of recent_ms
    recent REAL NOT NULL DEFAULT 0,
    recent_ms INTEGER NOT NULL DEFAULT 0,
    -- now: jobs queued, tasks running, their cores, and the sum of cores x start, from which follows what they have used
    queued INTEGER NOT NULL DEFAULT 0,
    running INTEGER NOT NULL DEFAULT 0,
    running_cores INTEGER NOT NULL DEFAULT 0,
    running_since INTEGER NOT NULL DEFAULT 0,
    -- submits that may be made at once, as of bucket_ms; filled up at quota_rate a minute
    bucket REAL NOT NULL DEFAULT 0,
    bucket_ms INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE UNIQUE INDEX users_name ON users (name) WHERE removed_ms IS NULL;

CREATE TABLE tokens (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    user INTEGER NOT NULL REFERENCES users (row),
    label TEXT NOT NULL,
    secret TEXT NOT NULL UNIQUE, -- SHA-256 of the token
    created_ms INTEGER NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE INDEX tokens_user ON tokens (user);

-- AUTOINCREMENT: row numbers are never used again, since listeners know jobs by them.
CREATE TABLE jobs (
    row INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    user INTEGER NOT NULL REFERENCES users (row),
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN
        ('queued', 'running', 'cancelling', 'succeeded', 'failed', 'crashed', 'cancelled')),
    reason TEXT NOT NULL DEFAULT '',
    message TEXT NOT NULL DEFAULT '',
    pool TEXT NOT NULL,
    priority INTEGER NOT NULL,
    walltime_s REAL NOT NULL,
    created_ms INTEGER NOT NULL,
    started_ms INTEGER,
    finished_ms INTEGER,
    ntasks INTEGER NOT NULL CHECK (ntasks > 0),
    nwaits INTEGER NOT NULL, -- tasks that wait for all others
    running INTEGER NOT NULL DEFAULT 0, -- tasks
    done INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, -- most of any task
    last_seq INTEGER NOT NULL DEFAULT 0,
    last_sample INTEGER NOT NULL DEFAULT 0,
    ended INTEGER NOT NULL DEFAULT 0, -- its end event is written
    retry_of TEXT,
    extend_of TEXT,
    progress TEXT,
    problem TEXT
) STRICT;
CREATE INDEX jobs_user ON jobs (user);
CREATE INDEX jobs_user_state ON jobs (user, state);
CREATE INDEX jobs_state ON jobs (state);
CREATE INDEX jobs_extend_of ON jobs (extend_of) WHERE extend_of IS NOT NULL;
CREATE INDEX jobs_finished ON jobs (finished_ms) WHERE finished_ms IS NOT NULL;

CREATE TABLE specs (
    job INTEGER PRIMARY KEY REFERENCES jobs (row) ON DELETE CASCADE,
    text TEXT NOT NULL,
    extend TEXT -- JSON: {"job", "attempts"} that its chains go on from
) STRICT;

-- user, pool, priority, ranks and memory are the job's, repeated for the index of ready tasks.
CREATE TABLE tasks (
    job INTEGER NOT NULL REFERENCES jobs (row) ON DELETE CASCADE,
    name TEXT NOT NULL,
    number INTEGER NOT NULL,
    user INTEGER NOT NULL,
    pool TEXT NOT NULL,
    priority INTEGER NOT NULL,
    ranks INTEGER NOT NULL,
    memory REAL NOT NULL,
    first INTEGER NOT NULL,
    count INTEGER NOT NULL,
    waits INTEGER NOT NULL CHECK (waits IN (0, 1)), -- for all others of its job
    state TEXT NOT NULL CHECK (state IN
        ('blocked', 'queued', 'running', 'succeeded', 'failed', 'crashed', 'cancelled')),
    attempt INTEGER NOT NULL DEFAULT 0,
    losses INTEGER NOT NULL DEFAULT 0, -- attempts held against it
    done INTEGER NOT NULL DEFAULT 0,   -- attempt that committed last
    worker TEXT NOT NULL DEFAULT '',
    reason TEXT NOT NULL DEFAULT '',
    not_before INTEGER NOT NULL DEFAULT 0,
    leased_ms INTEGER NOT NULL DEFAULT 0,
    cores INTEGER NOT NULL DEFAULT 0,
    taken INTEGER NOT NULL DEFAULT 0,               -- events of this attempt that are written
    last_draw INTEGER NOT NULL DEFAULT -9000000000000000, -- newest sample that is written, see events_report.c
    target TEXT,                                    -- JSON: where to go
    PRIMARY KEY (job, name)
) STRICT, WITHOUT ROWID;
CREATE INDEX tasks_ready ON tasks (pool, user, priority DESC, job, number, not_before, ranks, memory, state)
    WHERE state = 'queued';
CREATE INDEX tasks_running ON tasks (worker) WHERE state = 'running';

-- How attempts ended: a report that comes again is known by it.
CREATE TABLE commits (
    job INTEGER NOT NULL REFERENCES jobs (row) ON DELETE CASCADE,
    task TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    outcome INTEGER NOT NULL,
    sha256 TEXT NOT NULL, -- "": no file
    PRIMARY KEY (job, task, attempt, outcome)
) STRICT, WITHOUT ROWID;

CREATE TABLE events (
    job INTEGER NOT NULL REFERENCES jobs (row) ON DELETE CASCADE,
    seq INTEGER NOT NULL,
    type TEXT NOT NULL,
    time_ms INTEGER NOT NULL,
    task TEXT,
    attempt INTEGER NOT NULL,
    number INTEGER, -- of a sample
    text TEXT NOT NULL,
    PRIMARY KEY (job, seq)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX events_sample ON events (job, number) WHERE number IS NOT NULL;
CREATE INDEX events_log ON events (job, seq) WHERE type IN ('log', 'state', 'end');

CREATE TABLE results (
    job INTEGER PRIMARY KEY REFERENCES jobs (row) ON DELETE CASCADE,
    user INTEGER NOT NULL REFERENCES users (row),
    task TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    path TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    created_ms INTEGER NOT NULL,
    corrupt INTEGER NOT NULL DEFAULT 0,
    hash TEXT NOT NULL
) STRICT;

CREATE TABLE datasets (
    row INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    user INTEGER NOT NULL REFERENCES users (row),
    sha256 TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    created_ms INTEGER NOT NULL,
    UNIQUE (user, sha256)
) STRICT;
CREATE INDEX datasets_sha256 ON datasets (sha256);

CREATE TABLE job_datasets (
    job INTEGER NOT NULL REFERENCES jobs (row) ON DELETE CASCADE,
    dataset INTEGER NOT NULL REFERENCES datasets (row) ON DELETE CASCADE,
    PRIMARY KEY (dataset, job)
) STRICT, WITHOUT ROWID;
CREATE INDEX job_datasets_job ON job_datasets (job);

CREATE TABLE idempotency (
    user INTEGER NOT NULL REFERENCES users (row),
    key TEXT NOT NULL,
    request TEXT NOT NULL, -- SHA-256
    job TEXT NOT NULL,
    created_ms INTEGER NOT NULL,
    PRIMARY KEY (user, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX idempotency_created ON idempotency (created_ms);

CREATE TABLE totals (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO totals VALUES ('redeliveries', 0), ('probe', 0);

CREATE TRIGGER jobs_insert AFTER INSERT ON jobs BEGIN
    UPDATE users SET jobs = jobs + 1, queued = queued + (NEW.state = 'queued') WHERE row = NEW.user;
END;
CREATE TRIGGER jobs_state_change AFTER UPDATE OF state ON jobs
    WHEN (OLD.state = 'queued') <> (NEW.state = 'queued') BEGIN
    UPDATE users SET queued = queued + (NEW.state = 'queued') - (OLD.state = 'queued') WHERE row = NEW.user;
END;
CREATE TRIGGER jobs_state_final BEFORE UPDATE OF state ON jobs
    WHEN OLD.state IN ('succeeded', 'failed', 'crashed', 'cancelled') BEGIN
    SELECT raise(ABORT, 'the state of a job that has ended never changes');
END;
CREATE TRIGGER tasks_start AFTER UPDATE OF state ON tasks
    WHEN NEW.state = 'running' AND OLD.state <> 'running' BEGIN
    UPDATE users SET running = running + 1, running_cores = running_cores + NEW.cores,
        running_since = running_since + NEW.cores * NEW.leased_ms WHERE row = NEW.user;
END;
CREATE TRIGGER tasks_stop AFTER UPDATE OF state ON tasks
    WHEN OLD.state = 'running' AND NEW.state <> 'running' BEGIN
    UPDATE users SET running = running - 1, running_cores = running_cores - OLD.cores,
        running_since = running_since - OLD.cores * OLD.leased_ms WHERE row = OLD.user;
END;
CREATE TRIGGER tasks_counted AFTER UPDATE OF state ON tasks
    WHEN OLD.state <> NEW.state AND (OLD.state IN ('running', 'succeeded') OR NEW.state IN ('running', 'succeeded'))
BEGIN
    UPDATE jobs SET running = running + (NEW.state = 'running') - (OLD.state = 'running'),
        done = done + (NEW.state = 'succeeded') - (OLD.state = 'succeeded') WHERE row = NEW.job;
END;
CREATE TRIGGER results_insert AFTER INSERT ON results BEGIN
    UPDATE users SET bytes = bytes + NEW.size WHERE row = NEW.user;
END;
CREATE TRIGGER results_delete AFTER DELETE ON results BEGIN
    UPDATE users SET bytes = bytes - OLD.size WHERE row = OLD.user;
END;
CREATE TRIGGER datasets_insert AFTER INSERT ON datasets BEGIN
    UPDATE users SET bytes = bytes + NEW.size WHERE row = NEW.user;
END;
CREATE TRIGGER datasets_delete AFTER DELETE ON datasets BEGIN
    UPDATE users SET bytes = bytes - OLD.size WHERE row = OLD.user;
END;
