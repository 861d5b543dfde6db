"""Read access to a database, for the running box and for commands that only read.

Rows of a session without a key have been purged: their content is gone.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlite_utils import Database

from schemas.base import rfc3339
from schemas.questionnaire.model import Flow
from session_controller.audit.hash_chain import Checkpoint, Head
from session_controller.engine.answering import BrokenLogError
from session_controller.engine.events import Event
from session_controller.engine.history import carry_on
from session_controller.engine.state import Document, SessionState
from session_controller.security.encryption import BoxKeys, Cipher, DecryptionError, new_key
from session_controller.security.keys import CODES, LOG, SessionKeys, staff_key
from session_controller.storage.database import connect_to_read, refuse_newer_schema
from session_controller.storage.deliveries import Delivery
from session_controller.storage.delivery_rows import read_delivery
from session_controller.storage.documents import is_intact
from session_controller.storage.entities import (
    ALL_ENTRIES,
    Code,
    CodeKind,
    DeliveryBacklog,
    Device,
    EmergencyAccess,
    Ended,
    Entry,
    EntryFilter,
    Person,
    SealedState,
    StoredFlow,
)
from session_controller.storage.rows import (
    ENTRY_COLUMNS,
    SESSION_COLUMNS,
    read_bytes,
    read_checkpoint,
    read_device,
    read_emergency,
    read_entry,
    read_event,
    read_flow,
    read_person,
    read_state,
    read_time,
)
from session_controller.storage.segments import open_segments

__all__ = ["Reader"]

_MAX_DAMAGE = 20
_CACHED_FLOWS = 4
_AFTER_ALL = ("~", "")
"""Later than any time as it is stored."""
_ENDED_AFTER = """
    SELECT session, status, ended_at, test,
        nullif(max(coalesce(delivered_at, ''), coalesce((SELECT max(updated_at)
            FROM deliveries AS d WHERE d.session=ended.session), '')), '') AS delivered_at,
        (SELECT count(*) FROM deliveries AS d
            WHERE d.session=ended.session AND d.status<>'delivered') AS open
    FROM (
        SELECT session, status, ended_at, delivered_at, test FROM sessions
        WHERE ended_at<=? AND (ended_at, session)>(?, ?) ORDER BY ended_at, session LIMIT ?
    ) AS ended
"""
_BEFORE_ALL = -(1 << 63)
_MAX_ENTRY = (1 << 63) - 1
FetchDocument = Callable[[str, str], bytes | None]
"""Return a file by session and name, or None if absent."""


class Reader:
    """Reads one database with its keys and documents."""

    holds_keys = True
    """Whether the keys are read from the database: without them, only the log is readable."""

    def __init__(self, db: Database, keys: SessionKeys, fetch_document: FetchDocument) -> None:
        self._db = db
        self._keys = keys
        self._fetch_document = fetch_document
        self._flows: dict[str, Flow] = {}

    @classmethod
    @contextmanager
    def of(
        cls,
        path: Path,
        box: BoxKeys,
        keys: Mapping[str, bytes] | None = None,
        fetch_document: FetchDocument | None = None,
    ) -> Iterator[Self]:
        """Open a file that this process does not write to.

        `keys` are used instead of those in the database. Raises `sqlite3.Error` and `StoreError`.
        """
        db = Database(connect_to_read(path), execute_plugins=False)
        db.conn.text_factory = lambda text: text.decode(errors="surrogateescape")
        try:
            db.execute("BEGIN")  # a consistent snapshot, however long the reader takes
            refuse_newer_schema(db)
            find = _finder(db) if keys is None else keys.get
            reader = cls(db, SessionKeys(box, find), fetch_document or _no_document)
            reader.holds_keys = keys is None
            yield reader
        finally:
            db.conn.close()

    @classmethod
    def without_keys(cls, path: Path) -> AbstractContextManager[Self]:
        """Open a file to read what is not encrypted: the log, counts, properties of the box."""
        return cls.of(path, BoxKeys([new_key()]), {})

    def damage(self) -> list[str]:
        """Return what SQLite reports as damaged, or nothing if the file is intact."""
        rows = self._db.execute(f"PRAGMA integrity_check({_MAX_DAMAGE})").fetchall()
        found = [str(row[0]) for row in rows if row[0] != "ok"]
        if not found and self._db.execute("PRAGMA foreign_key_check").fetchone():
            found.append("a row refers to a session that does not exist")
        return found

    # --- the box ---------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """Return the epoch: it rises with each restore."""
        return int(self.meta("epoch") or 1)

    def newest_kind(self) -> str | None:
        """Return the type of the newest log entry, or None if the log is empty."""
        row = self._one("SELECT kind FROM events ORDER BY id DESC LIMIT 1")
        return row["kind"] if row else None

    def meta(self, key: str) -> str | None:
        """Return a property of the box, or None if it is not set."""
        row = self._one("SELECT value FROM meta WHERE key=?", key)
        return row["value"] if row else None

    def flows(self) -> list[StoredFlow]:
        """Return all flows, oldest first."""
        return list(map(read_flow, self._rows("SELECT * FROM flows ORDER BY added_at, flow_ref")))

    def newest_flows(self) -> list[str]:
        """Return the reference of the newest version of each flow."""
        rows = self._db.execute("SELECT flow_id, flow_ref FROM flows ORDER BY added_at, flow_ref")
        return list(dict(rows).values())

    def find_flow(self, flow_ref: str) -> StoredFlow | None:
        """Return a flow, or None if absent."""
        row = self._one("SELECT * FROM flows WHERE flow_ref=?", flow_ref)
        return read_flow(row) if row else None

    def stored_flow(self, flow_ref: str) -> StoredFlow:
        """Return a flow. Raises `BrokenLogError` if it is absent."""
        found = self.find_flow(flow_ref)
        if found is None:
            raise BrokenLogError("the log refers to a flow that is missing")
        return found

    def flow(self, flow_ref: str) -> Flow:
        """Return a flow, read; the last ones are cached. Raises `BrokenLogError` if absent."""
        found = self._flows.pop(flow_ref, None) or self.stored_flow(flow_ref).load()
        self._flows[flow_ref] = found
        if len(self._flows) > _CACHED_FLOWS:
            del self._flows[next(iter(self._flows))]
        return found

    def devices(self) -> list[Device]:
        """Return all devices, including revoked ones."""
        return list(map(read_device, self._rows("SELECT * FROM devices")))

    def persons(self) -> list[Person]:
        """Return all persons, including retired ones."""
        return list(map(read_person, self._rows("SELECT * FROM persons")))

    def emergencies(self, since: datetime) -> list[EmergencyAccess]:
        """Return the emergency access since then, and what was never reviewed; newest first."""
        rows = self._rows(
            "SELECT * FROM emergencies WHERE begun_at >= ? OR reviewed_at IS NULL"
            " ORDER BY begun_at DESC, access",
            rfc3339(since),
        )
        key = self._keys.key(CODES)
        cipher = Cipher(staff_key(key)) if key else None
        return [read_emergency(row, cipher) for row in rows]

    def emergency_names(self) -> dict[str, str]:
        """Return the names that were typed for emergency access, by its id."""
        rows = self._rows("SELECT access, name FROM emergencies")
        return {row["access"]: row["name"] for row in rows}

    def open_codes(self, at: datetime) -> list[Code]:
        """Return the codes that are still valid."""
        rows = self._rows(
            "SELECT * FROM codes WHERE spent_at IS NULL AND expires_at > ?", rfc3339(at)
        )
        return [
            Code(r["code_hash"], CodeKind(r["kind"]), r["subject"], read_time(r["expires_at"]))
            for r in rows
        ]

    def answer(self, device: str, request_id: str) -> str | None:
        """Return the stored answer to a request as JSON, or None if absent."""
        row = self._one(
            "SELECT answer FROM answers WHERE device=? AND request_id=?", device, request_id
        )
        return row["answer"] if row else None

    # --- sessions --------------------------------------------------------------------------

    def live_states(self) -> list[SessionState]:
        """Return the sessions with retained topics: the open and the recently ended."""
        states = [state for state, _ in self.caught_up("WHERE cleared_at IS NULL")]
        for state in states:
            self._keys.keep(state.session)
        return states

    def states(self) -> list[SessionState]:
        """Return all sessions in their newest state."""
        return [state for state, _ in self.caught_up("")]

    def state(self, session: str) -> SessionState | None:
        """Return a session's newest state, or None if absent."""
        found = self.caught_up("WHERE session=?", session)
        return found[0][0] if found else None

    def caught_up(self, where: str, *values: object) -> list[tuple[SessionState, int]]:
        """Return newest states, each with the number of events replayed from the log.

        Raises `DecryptionError`, `BrokenLogError`.
        """
        sql = f"SELECT session, entry, state FROM sessions {where} ORDER BY opened_at"  # noqa: S608
        return [self._caught_up(row) for row in list(self._rows(sql, *values))]

    def _caught_up(self, row: dict[str, Any]) -> tuple[SessionState, int]:
        state = read_state(row, self._keys.cipher(row["session"]))
        if state.status.ended:  # its state is stored with every later event
            return state, 0
        events = list(self.events(row["session"], after_entry=row["entry"]))
        if not events:
            return state, 0
        return carry_on(self.flow(state.flow_ref), state, events), len(events)

    def page_of_sessions(
        self,
        before: tuple[str, str] | None,
        *,
        since: datetime | None,
        status: str | None,
        limit: int,
    ) -> list[tuple[str, str]]:
        """Return the start and id of stored sessions, the newest first.

        `before`: the same of the last one of the page before. Only sessions that started at `since`
        or later, and have the stored `status`, are returned.
        """
        rows = self._rows(
            "SELECT opened_at, session FROM sessions WHERE (opened_at, session) < (?,?)"
            " AND opened_at>=? AND status=coalesce(?,status)"
            " ORDER BY opened_at DESC, session DESC LIMIT ?",
            *(before or _AFTER_ALL),
            rfc3339(since) if since else "",
            status,
            limit,
        )
        return [(row["opened_at"], row["session"]) for row in rows]

    def session_names(self) -> list[str]:
        """Return the ids of all stored sessions."""
        return [row["session"] for row in self._rows("SELECT session FROM sessions")]

    def knows(self, session: str) -> bool:
        """Return whether a session is stored, without reading it."""
        return self._one("SELECT 1 FROM sessions WHERE session=?", session) is not None

    def has_ended(self, session: str) -> bool:
        """Return whether a session is stored and has ended, without reading it."""
        row = self._one("SELECT ended_at FROM sessions WHERE session=?", session)
        return row is not None and row["ended_at"] is not None

    def ended_before(self, at: datetime) -> list[str]:
        """Return the ids of sessions that ended before a moment."""
        rows = self._rows("SELECT session FROM sessions WHERE ended_at <= ?", rfc3339(at))
        return [row["session"] for row in rows]

    def ended_after(self, after: tuple[str, str], before: datetime, limit: int) -> list[Ended]:
        """Return sessions that ended before a moment, the oldest first.

        `after` is the end, as it is stored, and the id of the last one known, or two empty texts.
        """
        return [
            Ended(
                row["session"],
                row["status"],
                row["ended_at"],
                row["delivered_at"],
                row["open"],
                bool(row["test"]),
            )
            for row in self._rows(_ENDED_AFTER, rfc3339(before), *after, limit)
        ]

    def last_entry_at(self) -> datetime | None:
        """Return when the last entry of the log was written, or None if there is none."""
        row = self._one("SELECT at FROM events ORDER BY id DESC LIMIT 1")
        return read_time(row["at"]) if row else None

    def completed_since(self, at: datetime) -> int:
        """Count the sessions that were completed at a moment or later."""
        sql = "SELECT count(*) n FROM sessions WHERE ended_at >= ? AND status='completed'"
        return int(next(iter(self._rows(sql, rfc3339(at))))["n"])

    def events(
        self, session: str, after: int = 0, limit: int | None = None, *, after_entry: int = 0
    ) -> Iterator[Event]:
        """Yield a session's events in order, from after a revision and after a log entry."""
        chained = self.chained_events(session, after, limit, after_entry=after_entry)
        return (event for event, _ in chained)

    def chained_events(
        self, session: str, after: int = 0, limit: int | None = None, *, after_entry: int = 0
    ) -> Iterator[tuple[Event, Head]]:
        """Yield a session's events in order, each with the log's head at it."""
        rows = self._rows(
            "SELECT * FROM events WHERE session=? AND id>? AND revision>? AND content IS NOT NULL"
            " ORDER BY id LIMIT ?",
            session,
            after_entry,
            after,
            -1 if limit is None else limit,
        )
        for row in rows:
            event = read_event(row, self._keys.cipher(session))
            yield event, Head(row["id"], row["chain"])

    def answered(self, session: str, device: str, seq: int) -> Event | None:
        """Return the event that answered a device's `seq`, or None if absent."""
        row = self._one(
            "SELECT * FROM events WHERE session=? AND device=? AND seq=?", session, device, seq
        )
        if row is None or row["content"] is None:
            return None
        return read_event(row, self._keys.cipher(session))

    def sealed_document(self, session: str, file: str) -> bytes | None:
        """Return a document's encrypted file, or None if absent."""
        return self._fetch_document(session, file)

    def document(self, session: str, document: Document) -> bytes:
        """Return a document's content.

        Raises `FileNotFoundError`, `KeyGoneError`; `DecryptionError` if it is not the file that was
        stored, with all of its segments.
        """
        file = document.stored.file if document.stored else ""
        sealed = self._fetch_document(session, file) if file else None
        if sealed is None:
            raise FileNotFoundError(file)
        if not is_intact(sealed, file):
            raise DecryptionError("the file was changed")
        return open_segments(self._keys.cipher(session), session, document.upload, sealed)

    # --- the outbox ------------------------------------------------------------------------

    def next_delivery(self, destination: str) -> Delivery | None:
        """Return the waiting delivery to a destination that is due first, or None if absent."""
        row = self._one(
            "SELECT * FROM deliveries WHERE destination=? AND status='waiting'"
            " ORDER BY next_at LIMIT 1",
            destination,
        )
        return self._delivery(row) if row else None

    def last_tried(self, destination: str) -> Delivery | None:
        """Return the waiting delivery to a destination that was tried last, or None."""
        row = self._one(
            "SELECT * FROM deliveries WHERE destination=? AND status='waiting' AND attempts>0"
            " ORDER BY updated_at DESC LIMIT 1",
            destination,
        )
        return self._delivery(row) if row else None

    def count_stuck(self, before: datetime) -> int:
        """Count the deliveries that were refused, or whose session ended before a moment."""
        row = self._one(
            "SELECT count(*) n FROM deliveries CROSS JOIN sessions USING (session)"
            " WHERE deliveries.status<>'delivered' AND (deliveries.status='refused'"
            " OR deliveries.status='waiting' AND ended_at<=?)",
            rfc3339(before),
        )
        return int(row["n"]) if row else 0

    def deliveries(
        self, session: str | None = None, status: str | None = None, limit: int = -1
    ) -> list[Delivery]:
        """Return deliveries, most recently changed first; optionally of one session or status."""
        rows = self._rows(
            "SELECT * FROM deliveries WHERE session=coalesce(?,session)"
            " AND status=coalesce(?,status) ORDER BY updated_at DESC, session LIMIT ?",
            session,
            status,
            limit,
        )
        return [self._delivery(row) for row in rows]

    def held_deliveries(self) -> list[Delivery]:
        """Return the deliveries that are held until staff say who the patient is."""
        return list(map(self._delivery, self._rows("SELECT * FROM deliveries WHERE status='held'")))

    def count_deliveries(self) -> dict[tuple[str, str], int]:
        """Count deliveries by destination and status."""
        rows = self._rows("SELECT destination, status, count(*) n FROM deliveries GROUP BY 1, 2")
        return {(row["destination"], row["status"]): row["n"] for row in rows}

    def count_undelivered(self) -> dict[tuple[str, str], int]:
        """Count the deliveries that have not arrived, by destination and status."""
        rows = self._rows(
            "SELECT destination, status, count(*) n FROM deliveries"
            " WHERE status<>'delivered' GROUP BY 1, 2"
        )
        return {(row["destination"], row["status"]): row["n"] for row in rows}

    def delivery_backlog(self) -> list[DeliveryBacklog]:
        """Return the deliveries that have not arrived, by destination and status."""
        rows = self._rows(
            "SELECT destination, deliveries.status, count(*) n, min(ended_at) ended_at"
            " FROM deliveries CROSS JOIN sessions USING (session)"
            " WHERE deliveries.status<>'delivered' GROUP BY 1, 2"
        )
        return [
            DeliveryBacklog(
                row["destination"],
                row["status"],
                row["n"],
                read_time(row["ended_at"]) if row["ended_at"] else None,
            )
            for row in rows
        ]

    def undelivered(self, session: str) -> list[str]:
        """Return the destinations that a session has not been delivered to yet."""
        rows = self._rows(
            "SELECT destination FROM deliveries WHERE session=? AND status<>'delivered'", session
        )
        return [row["destination"] for row in rows]

    def _delivery(self, row: dict[str, Any]) -> Delivery:
        return read_delivery(row, self._keys.cipher(row["session"]))

    # --- the log ---------------------------------------------------------------------------

    @property
    def log_key(self) -> bytes | None:
        """Return the public key that the box signs its log with, 32 bytes, or None if absent.

        Raises `DecryptionError`, `BoxKeyError`.
        """
        signer = self.log_signer()
        return signer.public_key().public_bytes_raw() if signer else None

    def log_signer(self) -> Ed25519PrivateKey | None:
        """Return the key that the box signs its log with, or None if absent.

        Raises `DecryptionError`, `BoxKeyError`.
        """
        key = self._keys.key(LOG)
        return Ed25519PrivateKey.from_private_bytes(key) if key else None

    def log_rows(self, after: int = 0) -> Iterator[tuple[Any, ...]]:
        """Yield the log's rows after an entry as `ENTRY_COLUMNS`, in order and as stored."""
        sql = f"SELECT {ENTRY_COLUMNS} FROM events WHERE id>? ORDER BY id"  # noqa: S608
        return self._db.conn.execute(sql, (after,))

    def entries(self, wanted: EntryFilter = ALL_ENTRIES) -> Iterator[Entry]:
        """Yield log entries, newest first, as they are read."""
        after = max(wanted.after, self._before(wanted.since) if wanted.since else 0)
        limits: list[object] = [after, wanted.before or _MAX_ENTRY]
        sql = f"SELECT {ENTRY_COLUMNS} FROM events WHERE id>? AND id<?"  # noqa: S608
        if wanted.session:
            sql = sql.replace("FROM events", "FROM events INDEXED BY events_once")
            sql, limits = f"{sql} AND session=?", [*limits, wanted.session]
        if wanted.since:
            sql, limits = f"{sql} AND at>=?", [*limits, rfc3339(wanted.since)]
        sql = f"{sql} ORDER BY id DESC LIMIT ?"
        rows = self._db.conn.execute(sql, (*limits, wanted.limit or -1))
        return map(read_entry, rows)

    def _before(self, since: datetime) -> int:
        """Return an entry that was signed before a moment, as no later signature was."""
        row = self._db.conn.execute(
            "SELECT max(entry) FROM checkpoints WHERE entry < coalesce("
            "(SELECT min(entry) FROM checkpoints WHERE at >= ?), ?)",
            (rfc3339(since), _MAX_ENTRY),
        ).fetchone()
        return row[0] or 0

    def chain_at(self, entry: int) -> bytes | None:
        """Return the hash that is stored at an entry of the log, or None if absent."""
        row = self._one("SELECT chain FROM events WHERE id=?", entry)
        return read_bytes(row["chain"]) if row else None

    def checkpoints(self, after: int = _BEFORE_ALL) -> list[Checkpoint]:
        """Return the log heads that the box has signed, after an entry, oldest first."""
        rows = self._rows("SELECT * FROM checkpoints WHERE entry>? ORDER BY entry", after)
        return list(map(read_checkpoint, rows))

    def signed(self, up_to: int = _MAX_ENTRY) -> int:
        """Return the newest entry, up to one, that a signature covers, or 0 if absent."""
        sql = "SELECT max(entry) AS entry FROM checkpoints WHERE entry<=?"
        return next(iter(self._rows(sql, up_to)))["entry"] or 0

    def signing_keys(self) -> set[bytes]:
        """Return the public keys by which the log is signed according to its signatures."""
        rows = self._rows("SELECT DISTINCT public_key FROM checkpoints")
        return {read_bytes(row["public_key"]) for row in rows}

    def head(self) -> Head:
        """Return the log's head as stored."""
        row = self._one("SELECT id, chain FROM events ORDER BY id DESC LIMIT 1")
        return Head(row["id"], row["chain"]) if row else Head()

    def purged(self) -> set[str]:
        """Return the sessions that were purged according to the log."""
        rows = self._rows("SELECT session FROM events WHERE kind='SessionPurged'")
        return {row["session"] for row in rows}

    def sealed_states(self) -> Iterator[SealedState]:
        """Yield all sessions' states as stored, without decrypting them."""
        names = ", ".join(SESSION_COLUMNS)
        rows = self._db.conn.execute(f"SELECT {names}, entry, state FROM sessions")  # noqa: S608
        return (SealedState(row[:-2], row[-2], row[-1]) for row in rows)

    def uncleared_states(self) -> Iterator[SealedState]:
        """Yield those of the open and the recently ended sessions, the newest first."""
        names = ", ".join(SESSION_COLUMNS)
        sql = f"SELECT {names}, entry, state FROM sessions WHERE cleared_at IS NULL"  # noqa: S608
        rows = self._db.conn.execute(f"{sql} ORDER BY opened_at DESC")
        return (SealedState(row[:-2], row[-2], row[-1]) for row in rows)

    def sealed_state(self, session: str) -> SealedState | None:
        """Return a session's state as stored, without decrypting it, or None if absent."""
        row = self._one("SELECT * FROM sessions WHERE session=?", session)
        if row is None:
            return None
        return SealedState(tuple(row[n] for n in SESSION_COLUMNS), row["entry"], row["state"])

    def open_state(self, sealed: SealedState) -> SessionState:
        """Decrypt a state; caches no key.

        Raises `KeyGoneError` if its key is missing, `DecryptionError`, `BoxKeyError`, `ValueError`.
        """
        cipher = self._keys.uncached(sealed.session)
        row = {"session": sealed.session, "entry": sealed.entry, "state": sealed.state}
        return read_state(row, cipher)

    def forget_key(self, session: str) -> None:
        """Remove a session's key from the cache."""
        self._keys.forget(session)

    def open_key(self, name: str) -> None:
        """Check that a key can be unwrapped. Raises `DecryptionError`, `BoxKeyError`."""
        self._keys.key(name)

    def wrapped_keys(self) -> dict[str, bytes]:
        """Return all wrapped keys by name."""
        return {row["name"]: row["wrapped"] for row in self._rows("SELECT * FROM keys")}

    def key_names(self) -> set[str]:
        """Return the names of all keys."""
        return {row[0] for row in self._db.execute("SELECT name FROM keys")}

    def _rows(self, sql: str, *values: object) -> Iterable[dict[str, Any]]:
        return self._db.query(sql, values)

    def _one(self, sql: str, *values: object) -> dict[str, Any] | None:
        return next(iter(self._rows(sql, *values)), None)


def _finder(db: Database) -> Callable[[str], bytes | None]:
    def find(name: str) -> bytes | None:
        row = next(iter(db.query("SELECT wrapped FROM keys WHERE name=?", [name])), None)
        return row["wrapped"] if row else None

    return find


def _no_document(_: str, __: str) -> None:
    """Return nothing: who reads only the log needs no documents."""
