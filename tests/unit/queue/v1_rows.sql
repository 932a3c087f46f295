-- tests/unit/queue/v1_rows.sql - a database as schema 1 left it: one user, one job that ended, one that waits.
PRAGMA application_id = 1179012164;
PRAGMA user_version = 1;
INSERT INTO users (id, name, admin, created_ms, quota_queued, quota_running, quota_rate, quota_bytes, hash) VALUES
    ('us_aaaaaaaaaaaaaaaaaaaaaaaaaa', 'old', 0, 1700000000000, 0, 0, 0, 0.0,
     '1eccdf0822228aff39fe654c99b763590c5e7a2b3ac2269cf497d44378374eb6');
INSERT INTO jobs (id, user, kind, name, state, pool, priority, walltime_s, created_ms, started_ms, finished_ms, ntasks,
    nwaits, done, attempts, last_seq, ended) VALUES
    ('job_bbbbbbbbbbbbbbbbbbbbbbbbbb', 1, 'spectrum', 'first', 'succeeded', 'default', 0, 0.0, 1700000001000,
     1700000002000, 1700000003000, 1, 0, 1, 1, 2, 1),
    ('job_cccccccccccccccccccccccccc', 1, 'spectrum', 'second', 'queued', 'default', 0, 0.0, 1700000004000,
     NULL, NULL, 1, 0, 0, 0, 1, 0);
INSERT INTO specs (job, text) VALUES (1, '{}'), (2, '{}');
INSERT INTO tasks (job, name, number, user, pool, priority, ranks, memory, first, count, waits, state, attempt, done)
    VALUES (1, 'spectrum', 0, 1, 'default', 0, 1, 0.0, 0, 0, 0, 'succeeded', 1, 1),
           (2, 'spectrum', 0, 1, 'default', 0, 1, 0.0, 0, 0, 0, 'queued', 0, 0);
INSERT INTO events (job, seq, type, time_ms, task, attempt, text) VALUES
    (1, 1, 'state', 1700000001000, NULL, 1, '{"seq":1,"type":"state","state":"queued"}'),
    (1, 2, 'end', 1700000003000, NULL, 1, '{"seq":2,"type":"end","state":"succeeded"}'),
    (2, 1, 'state', 1700000004000, NULL, 1, '{"seq":1,"type":"state","state":"queued"}');
INSERT INTO results (job, user, task, attempt, path, sha256, size, created_ms, hash) VALUES
    (1, 1, 'spectrum', 1, 'results/x/spectrum.1.h5', 'ab', 5, 1700000003000,
     '1aee1a33ee80dd46a457119d313c022e088d5677f6180e92ec95027a022fd179');
