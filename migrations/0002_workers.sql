-- Schema 2: gangs that have registered, for people to look at.

CREATE TABLE workers (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    pool TEXT NOT NULL,
    backend TEXT NOT NULL,
    device TEXT NOT NULL,
    build TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('idle', 'busy', 'draining', 'gone')),
    ranks INTEGER NOT NULL,
    threads INTEGER NOT NULL,
    memory REAL NOT NULL,
    seen_ms INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX workers_gone ON workers (seen_ms) WHERE state = 'gone';
