"""The database schema, as migrations that record themselves in their own transaction.

A released migration is never edited: a change needs a new migration.
"""

from sqlite_utils import Database, Migrations

from session_controller import failpoints
from session_controller.failpoints import Point

SCHEMA = Migrations("handrail")

_BASE = """
-- One row per property of the box: site, epoch, time of creation.
CREATE TABLE meta (
    key TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- FHIR questionnaires, immutable under their reference; the newest of a flow_id is current.
CREATE TABLE flows (
    flow_ref TEXT PRIMARY KEY,
    flow_id TEXT NOT NULL,
    added_at TEXT NOT NULL,
    canonical BLOB NOT NULL,
    mapping BLOB                    -- JSON: how answers become FHIR resources, if needed
) WITHOUT ROWID;

-- Devices. A guest is a device that joined with a session's code; it ends with the session.
-- A guest has no name here: what its phone calls itself is in the session's events, encrypted.
CREATE TABLE devices (
    device TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    secret_sha256 TEXT,             -- NULL until a device enrolled by code is paired
    enrolled_at TEXT NOT NULL,
    revoked_at TEXT,
    guest_of TEXT,                  -- the session of a guest
    online INTEGER NOT NULL DEFAULT 0,
    connection INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

-- Each session's state at an entry of the log, derived from its events for a fast start: at most
-- a few events are newer. The state of an ended session includes its last event.
CREATE TABLE sessions (
    session TEXT PRIMARY KEY,
    status TEXT NOT NULL,
    opened_at TEXT NOT NULL,
    ended_at TEXT,
    cleared_at TEXT,                -- when its retained topics were cleared
    revision INTEGER NOT NULL,
    entry INTEGER NOT NULL,         -- the log entry that the state includes last
    state BLOB NOT NULL             -- encrypted with the session's key, and bound to the entry
);
CREATE INDEX sessions_live ON sessions(cleared_at) WHERE cleared_at IS NULL;

-- Keys, wrapped with the box's: `session:{id}`, `codes`, `log`. Backups do not contain them.
CREATE TABLE keys (
    name TEXT PRIMARY KEY,
    wrapped BLOB NOT NULL
) WITHOUT ROWID;

-- The audit log, one hash chain (audit/hash_chain.py). An event of a session has a revision and
-- is encrypted with the session's key; a box event has none, and is not encrypted. Refused
-- commands are included: they count for their device's sequence. A purge deletes the content.
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
-- Exactly once: a second event for the same seq cannot be stored. The index also finds a session's
-- events: a separate one would write one more page for each command.
CREATE UNIQUE INDEX events_once ON events(session, device, seq);

-- Heads of that chain, signed by the box.
CREATE TABLE checkpoints (
    entry INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    chain BLOB NOT NULL,
    signature BLOB NOT NULL,
    public_key BLOB NOT NULL
);

-- Bytes of incomplete uploads, in the chunks received, encrypted. A complete document is a file
-- beside the database.
CREATE TABLE chunks (
    session TEXT NOT NULL REFERENCES sessions(session) DEFERRABLE INITIALLY DEFERRED,
    upload TEXT NOT NULL,
    offset INTEGER NOT NULL,
    bytes BLOB NOT NULL,
    PRIMARY KEY (session, upload, offset)
);

-- Pairing codes, by keyed hash. A code works once: spent_at is set when it is used.
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
        failpoints.reached(Point.MIGRATING)
        db.execute(statement)


_OUTBOX = """
-- The outbox: the delivery of each completed session to each destination.
CREATE TABLE deliveries (
    session TEXT NOT NULL REFERENCES sessions(session) DEFERRABLE INITIALLY DEFERRED,
    destination TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('waiting', 'delivered', 'refused')),
    attempts INTEGER NOT NULL,
    next_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    outcome BLOB,                   -- JSON, encrypted with the session's key; so is progress
    progress BLOB,
    PRIMARY KEY (session, destination)
) WITHOUT ROWID;
CREATE INDEX deliveries_waiting ON deliveries(destination, next_at) WHERE status = 'waiting';
"""


@SCHEMA(name="outbox")
def _outbox(db: Database) -> None:
    for statement in _statements(_OUTBOX):
        failpoints.reached(Point.MIGRATING)
        db.execute(statement)


@SCHEMA(name="guest-names")
def _guest_names(db: Database) -> None:
    """Remove what guests' phones called themselves: earlier versions stored it unencrypted."""
    failpoints.reached(Point.MIGRATING)
    db.execute("UPDATE devices SET name='guest' WHERE guest_of IS NOT NULL")


@SCHEMA(name="delivery-hash")
def _delivery_hash(db: Database) -> None:
    """Add the SHA-256, in hex, of what was delivered or refused last."""
    failpoints.reached(Point.MIGRATING)
    db.execute("ALTER TABLE deliveries ADD COLUMN sha256 TEXT")


@SCHEMA(name="held deliveries")
def _held(db: Database) -> None:
    """Allow the status `held`: SQLite changes a CHECK only with a new table.

    The table is copied as it is found, with whatever columns it has by then.
    """
    (definition,) = db.execute("SELECT sql FROM sqlite_master WHERE name='deliveries'").fetchone()
    indexes = db.execute(
        "SELECT sql FROM sqlite_master"
        " WHERE type='index' AND tbl_name='deliveries' AND sql NOT NULL"
    ).fetchall()
    wider = definition.replace("'refused')", "'refused', 'held')")
    for statement in (
        "CREATE TEMP TABLE former_deliveries AS SELECT * FROM deliveries",
        "DROP TABLE deliveries",
        wider,
        "INSERT INTO deliveries SELECT * FROM temp.former_deliveries",
        "DROP TABLE temp.former_deliveries",
        *(index for (index,) in indexes),
    ):
        failpoints.reached(Point.MIGRATING)
        db.execute(statement)


_ENDED = """
-- A purge finds a session's guests, and what ended before a moment; a list, the newest sessions.
CREATE INDEX devices_guests ON devices(guest_of) WHERE guest_of IS NOT NULL;
CREATE INDEX sessions_ended ON sessions(ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX sessions_opened ON sessions(opened_at, session);
CREATE INDEX deliveries_held ON deliveries(session) WHERE status = 'held';
CREATE INDEX deliveries_open ON deliveries(destination, status) WHERE status <> 'delivered';
"""


@SCHEMA(name="nothing that ended costs")
def _ended(db: Database) -> None:
    """Index what a list or a purge looks for; delete the guests of cleared sessions."""
    for statement in (*_statements(_ENDED), _DELETE_FORMER_GUESTS):
        failpoints.reached(Point.MIGRATING)
        db.execute(statement)


_DELETE_FORMER_GUESTS = """
    DELETE FROM devices WHERE guest_of IS NOT NULL
        AND guest_of NOT IN (SELECT session FROM sessions WHERE cleared_at IS NULL)
"""


@SCHEMA(name="parts of documents are files")
def _parts(db: Database) -> None:
    """Drop the bytes of incomplete uploads: they begin again, as files beside the database."""
    failpoints.reached(Point.MIGRATING)
    db.execute("DROP TABLE chunks")


_DEVICE_DETAILS = """
ALTER TABLE devices ADD COLUMN room TEXT;
ALTER TABLE devices ADD COLUMN retired_at TEXT;     -- when it was revoked permanently
ALTER TABLE devices ADD COLUMN seen_at TEXT;        -- when it last connected or disconnected
ALTER TABLE devices ADD COLUMN address TEXT;        -- of its last connection; NULL for a guest
ALTER TABLE devices ADD COLUMN software TEXT;       -- its program's name and version
ALTER TABLE devices ADD COLUMN code_serial INTEGER NOT NULL DEFAULT 1;
"""


@SCHEMA(name="device details")
def _device_details(db: Database) -> None:
    """Add where a device is, when and from where it last connected, and how often it was paired."""
    for statement in _statements(_DEVICE_DETAILS):
        failpoints.reached(Point.MIGRATING)
        db.execute(statement)


@SCHEMA(name="delivered to a removed destination")
def _delivered_at(db: Database) -> None:
    """Add when a session arrived at a destination that was removed since; NULL if at none."""
    failpoints.reached(Point.MIGRATING)
    db.execute("ALTER TABLE sessions ADD COLUMN delivered_at TEXT")


_STAFF = """
-- Persons who sign in at front-desk screens.
CREATE TABLE persons (
    person TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    roles TEXT NOT NULL,            -- separated by spaces
    pin_hash TEXT NOT NULL,         -- Argon2id of the PIN, keyed with one of the box's keys
    added_at TEXT NOT NULL,
    wrong_pins INTEGER NOT NULL,    -- in a row
    locked_until TEXT,
    retired_at TEXT
) WITHOUT ROWID;

-- Work at a signed-out front-desk screen without a PIN.
CREATE TABLE emergencies (
    access TEXT PRIMARY KEY,
    device TEXT NOT NULL,
    name TEXT NOT NULL,             -- as typed
    reason BLOB NOT NULL,           -- as typed, encrypted with one of the box's keys
    begun_at TEXT NOT NULL,
    ends_at TEXT NOT NULL,
    reviewed_at TEXT,
    reviewed_by TEXT
) WITHOUT ROWID;

-- Who did it: a person, an emergency access, or `os:` and a user of the command line.
ALTER TABLE events ADD COLUMN person TEXT;
"""


@SCHEMA(name="staff")
def _staff(db: Database) -> None:
    """Add persons, and who did what; earlier entries of the log have nobody and stay as they are.

    The hash of an entry without a person is the same as before.
    """
    for statement in _statements(_STAFF):
        failpoints.reached(Point.MIGRATING)
        db.execute(statement)


@SCHEMA(name="test sessions")
def _test_sessions(db: Database) -> None:
    """Add whether a session is a rehearsal: its time is over though it is delivered nowhere."""
    failpoints.reached(Point.MIGRATING)
    db.execute("ALTER TABLE sessions ADD COLUMN test INTEGER NOT NULL DEFAULT 0")


_ACCOUNTS = """
ALTER TABLE persons ADD COLUMN issuer TEXT;     -- the OpenID Connect provider of the account
ALTER TABLE persons ADD COLUMN claim TEXT;      -- the claim that identifies it there
ALTER TABLE persons ADD COLUMN account TEXT;    -- its value; NULL: the person has a PIN only
"""


@SCHEMA(name="accounts of a provider")
def _accounts(db: Database) -> None:
    """Add with which account of an OpenID Connect provider a person can sign in."""
    for statement in _statements(_ACCOUNTS):
        failpoints.reached(Point.MIGRATING)
        db.execute(statement)


def _statements(script: str) -> list[str]:
    """Split a script: `executescript` would end the migration's transaction."""
    code = "\n".join(line.split("--")[0] for line in script.splitlines())
    return [statement.strip() for statement in code.split(";") if statement.strip()]
