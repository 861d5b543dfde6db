"""The SQL statements that write to the database; `schema` defines the tables."""

UPSERT_DEVICE = "INSERT OR REPLACE INTO devices VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
UPSERT_SESSION = """
    INSERT INTO sessions (session, status, opened_at, ended_at, revision, entry, state, test)
    VALUES (?,?,?,?,?,?,?,?)
    ON CONFLICT (session) DO UPDATE SET status=excluded.status, ended_at=excluded.ended_at,
        revision=excluded.revision, entry=excluded.entry, state=excluded.state
"""
INSERT_EVENT = """
    INSERT INTO events (id, at, kind, session, revision, device, seq, command_id, person, content,
        content_sha256, chain)
    VALUES (?,?,?,?,?,?,?,?,?,?,?,?)
"""
UPSERT_PERSON = "INSERT OR REPLACE INTO persons VALUES (?,?,?,?,?,?,?,?,?,?,?)"
UPSERT_EMERGENCY = "INSERT OR REPLACE INTO emergencies VALUES (?,?,?,?,?,?,?,?)"
INSERT_KEY = "INSERT INTO keys VALUES (?,?)"
DELETE_KEY = "DELETE FROM keys WHERE name=?"
INSERT_CHECKPOINT = "INSERT OR REPLACE INTO checkpoints VALUES (?,?,?,?,?)"
FORGET_DEVICE = "DELETE FROM devices WHERE device=?"
FORGET_GUESTS = "DELETE FROM devices WHERE guest_of=?"
"""A guest's credential ends with its session: nothing needs the row once the topics are cleared."""
CLEARED = "UPDATE sessions SET cleared_at=? WHERE session=?"
DELETE_CHECKPOINT = "DELETE FROM checkpoints WHERE entry=?"
