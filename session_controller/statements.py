"""The statements that write the database; `migrations` has the tables."""

from session_controller.outbox import PURGE_DELIVERIES

UPSERT_DEVICE = "INSERT OR REPLACE INTO devices VALUES (?,?,?,?,?,?,?,?,?)"
UPSERT_SESSION = """
    INSERT INTO sessions (session, status, opened_at, ended_at, revision, entry, state)
    VALUES (?,?,?,?,?,?,?)
    ON CONFLICT (session) DO UPDATE SET status=excluded.status, ended_at=excluded.ended_at,
        revision=excluded.revision, entry=excluded.entry, state=excluded.state
"""
INSERT_EVENT = "INSERT INTO events VALUES (?,?,?,?,?,?,?,?,?,?,?)"
INSERT_KEY = "INSERT INTO keys VALUES (?,?)"
DELETE_KEY = "DELETE FROM keys WHERE name=?"
INSERT_CHECKPOINT = "INSERT OR REPLACE INTO checkpoints VALUES (?,?,?,?,?)"


PURGE = (
    PURGE_DELIVERIES,
    "DELETE FROM chunks WHERE session=?",
    "UPDATE events SET content=NULL WHERE session=? AND revision IS NOT NULL",
    "DELETE FROM sessions WHERE session=?",
    "DELETE FROM codes WHERE subject=?",
    "UPDATE devices SET name='' WHERE guest_of=?",
)
"""What leaves nothing of a session but its entries in the log; its key goes beside."""
