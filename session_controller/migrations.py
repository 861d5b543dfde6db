"""The database's schema, as migrations that record themselves in the transaction that they run in.

A migration that has been released is never edited: a change is a further migration.
"""

from sqlite_utils import Database, Migrations

from session_controller import points
from session_controller.points import Point

SCHEMA = Migrations("handrail")

_BASE = """
-- One row per fact about the box itself: site, epoch, when it was made.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- The FHIR questionnaires, immutable under their reference; the newest of a flow_id is the current.
CREATE TABLE flows (
    flow_ref TEXT PRIMARY KEY,
    flow_id TEXT NOT NULL,
    added_at TEXT NOT NULL,
    canonical BLOB NOT NULL,
    mapping BLOB                    -- JSON: how answers become FHIR resources, where it is needed
) WITHOUT ROWID;

-- Who may connect. A guest is a device that a session's code brought in; it ends with the session.
CREATE TABLE devices (
    device TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    secret_sha256 TEXT,             -- NULL until a device that was enrolled by code has shown it
    enrolled_at TEXT NOT NULL,
    revoked_at TEXT,
    guest_of TEXT,                  -- the session of a guest
    online INTEGER NOT NULL DEFAULT 0,
    connection INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Each session as of an entry of the log, derived from its events, so that a start is fast: at most
-- a few of its events stand behind that. What ended stands there as of its last.
CREATE TABLE sessions (
    session TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    ended_at TEXT,
    cleared_at TEXT,                -- when its retained topics were cleared
    revision INTEGER NOT NULL,
    entry INTEGER NOT NULL,         -- the log's, when the state was written
    state BLOB NOT NULL             -- sealed with the session's key, and bound to the entry
);
CREATE INDEX sessions_live ON sessions(cleared_at) WHERE cleared_at IS NULL;

-- Keys, wrapped by the box's: `session:{id}`, `codes`, `log`. A backup is made without them.
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    wrapped BLOB NOT NULL
) WITHOUT ROWID;

-- All that ever happened, in one hash chain (session_controller/chain.py). An event of a session
-- has a revision and is sealed with the session's key; an act of the box has none, and is plain. A
-- refused command is here too: it counts for its device's sequence. A purge takes the content.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,         -- 1, 2, 3 … without gaps
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    session TEXT,
    revision INTEGER,
    device TEXT,
    seq INTEGER,
    command_id TEXT,
    content BLOB,
    content_sha256 BLOB NOT NULL,
    chain BLOB NOT NULL
);
-- Exactly once, whatever the program does: a second answer to one seq cannot be stored. Events are
-- found by session with it too: a second index would be one more page to write for each command.
CREATE UNIQUE INDEX events_once ON events(session, device, seq);

-- Heads of that chain, signed by the box.
CREATE TABLE checkpoints (
    entry INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    chain BLOB NOT NULL,
    signature BLOB NOT NULL,
    public_key BLOB NOT NULL
);

-- Bytes of documents that are on their way, in the chunks in which they came, sealed. A document
-- that is whole is a file beside the database.
CREATE TABLE chunks (
    session TEXT NOT NULL REFERENCES sessions(session) DEFERRABLE INITIALLY DEFERRED,
    upload TEXT NOT NULL,
    offset INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (session, upload, offset)
);

-- Pairing codes, by keyed hash. A code works once: spent_at is set in the commit that grants.
CREATE TABLE codes (
    code_hash TEXT PRIMARY KEY,
    kind TEXT NOT NULL CHECK (kind IN ('device', 'session')),
    subject TEXT NOT NULL,          -- the device or the session
    expires_at TEXT NOT NULL,
    spent_at TEXT
) WITHOUT ROWID;
CREATE INDEX codes_of_subject ON codes(subject);

-- Answers to requests that changed something, without secrets: a request may arrive twice.
CREATE TABLE answers (
    device TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at TEXT NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (device, request_id)
) WITHOUT ROWID;
"""


@SCHEMA(name="base")
def _base(db: Database) -> None:
    for statement in _statements(_BASE):
        points.reached(Point.MIGRATING)
        db.execute(statement)


_OUTBOX = """
-- The outbox: each completed session's way to each destination.
CREATE TABLE deliveries (
    session TEXT NOT NULL REFERENCES sessions(session) DEFERRABLE INITIALLY DEFERRED,
    destination TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('waiting', 'delivered', 'refused')),
    attempts INTEGER NOT NULL,
    next_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    outcome BLOB,                   -- JSON, sealed with the session's key; so is progress
    progress BLOB,
    PRIMARY KEY (session, destination)
) WITHOUT ROWID;
CREATE INDEX deliveries_waiting ON deliveries(destination, next_at) WHERE status = 'waiting';
"""


@SCHEMA(name="outbox")
def _outbox(db: Database) -> None:
    for statement in _statements(_OUTBOX):
        points.reached(Point.MIGRATING)
        db.execute(statement)


def _statements(script: str) -> list[str]:
    """Split a script: `executescript` would end the transaction that the migration runs in."""
    code = "\n".join(line.split("--")[0] for line in script.splitlines())
    return [statement.strip() for statement in code.split(";") if statement.strip()]
