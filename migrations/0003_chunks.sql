-- Schema 3: results of draws whose arrays stay in the files of their chunks.

-- Bytes of those files, which are the user's as much as the result's own. 0: the result has everything in itself.
ALTER TABLE results ADD COLUMN chunk_bytes INTEGER NOT NULL DEFAULT 0 CHECK (chunk_bytes >= 0);

DROP TRIGGER results_insert;
CREATE TRIGGER results_insert AFTER INSERT ON results BEGIN
    UPDATE users SET bytes = bytes + NEW.size + NEW.chunk_bytes WHERE row = NEW.user;
END;
DROP TRIGGER results_delete;
CREATE TRIGGER results_delete AFTER DELETE ON results BEGIN
    UPDATE users SET bytes = bytes - OLD.size - OLD.chunk_bytes WHERE row = OLD.user;
END;
