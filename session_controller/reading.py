"""Reading a database: what the running box asks of it, and who only looks.

Rows whose session has no key any more were purged: what they held is gone.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlite_utils import Database

from schemas.base import rfc3339
from schemas.flow import load_flow
from schemas.questionnaire import Flow
from session_controller.chain import Checkpoint, Head
from session_controller.delivery.deliveries import Delivery
from session_controller.engine.facts import Event
from session_controller.engine.forms import BrokenLogError
from session_controller.engine.history import carry_on
from session_controller.engine.state import SessionState
from session_controller.keychain import LOG, Keychain
from session_controller.opening import connect_to_read, refuse_newer_schema
from session_controller.outbox import read_delivery
from session_controller.records import Code, CodeKind, Device, Entry, StoredFlow
from session_controller.rows import (
    SESSION_COLUMNS,
    Row,
    read_checkpoint,
    read_chunk,
    read_device,
    read_entry,
    read_event,
    read_flow,
    read_state,
    read_time,
)
from session_controller.sealing import BoxKeys
from session_controller.vault import open_document

__all__ = ["Reader"]

_MAX_DAMAGE = 20
FetchDocument = Callable[[str, str], bytes | None]
"""From a session and a file's name to the file; None where there is none."""


class Reader:
    """Reads one database with its keys and its documents."""

    holds_keys = True
    """Whether the keys are in the database itself: a backup's stand beside it."""

    def __init__(self, db: Database, keys: Keychain, fetch_document: FetchDocument) -> None:
        self._db = db
        self._keys = keys
        self._fetch_document = fetch_document

    @classmethod
    @contextmanager
    def of(
        cls,
        path: Path,
        box: BoxKeys,
        keys: Mapping[str, bytes] | None = None,
        fetch_document: FetchDocument | None = None,
    ) -> Iterator[Self]:
        """Read a file that this process does not write to.

        `keys` are those of a backup, which holds none itself. Raises `sqlite3.Error` and
        `StoreError`.
        """
        db = Database(connect_to_read(path))
        db.conn.text_factory = lambda text: text.decode(errors="surrogateescape")
        try:
            db.execute("BEGIN")  # one moment's truth, however long the reader takes
            refuse_newer_schema(db)
            find = _finder(db) if keys is None else keys.get
            reader = cls(db, Keychain(box, find), fetch_document or _from_table(db))
            reader.holds_keys = keys is None
            yield reader
        finally:
            db.conn.close()

    def damage(self) -> list[str]:
        """Give what SQLite finds wrong with the file: nothing, where it is whole."""
        rows = self._db.execute(f"PRAGMA integrity_check({_MAX_DAMAGE})").fetchall()
        found = [str(row[0]) for row in rows if row[0] != "ok"]
        if not found and self._db.execute("PRAGMA foreign_key_check").fetchone():
            found.append("a row belongs to no session")
        return found

    # --- the box ---------------------------------------------------------------------------

    @property
    def epoch(self) -> int:
        """How often the truth was set back: it rises with each restore."""
        return int(self.meta("epoch") or 1)

    def meta(self, key: str) -> str | None:
        """Give a fact about the box."""
        row = self._one("SELECT value FROM meta WHERE key=?", key)
        return row["value"] if row else None

    def flows(self) -> list[StoredFlow]:
        """Give all flows, the oldest first."""
        return list(map(read_flow, self._rows("SELECT * FROM flows ORDER BY added_at, flow_ref")))

    def devices(self) -> list[Device]:
        """Give all devices, revoked ones too."""
        return list(map(read_device, self._rows("SELECT * FROM devices")))

    def open_codes(self, at: datetime) -> list[Code]:
        """Give the codes that still work."""
        rows = self._rows(
            "SELECT * FROM codes WHERE spent_at IS NULL AND expires_at > ?", rfc3339(at)
        )
        return [
            Code(r["code_hash"], CodeKind(r["kind"]), r["subject"], read_time(r["expires_at"]))
            for r in rows
        ]

    def answer(self, device: str, request_id: str) -> str | None:
        """Give the answer that a request was given, as JSON."""
        row = self._one(
            "SELECT answer FROM answers WHERE device=? AND request_id=?", device, request_id
        )
        return row["answer"] if row else None

    # --- sessions --------------------------------------------------------------------------

    def described(self, session: str) -> Row:
        """Give what stands of a session beside its state: id, status, beginning, end, revision."""
        found = self._one("SELECT * FROM sessions WHERE session=?", session) or {}
        return tuple(found.get(name) for name in SESSION_COLUMNS)

    def live_states(self) -> list[SessionState]:
        """Give the sessions whose topics are retained: the open, and those that ended lately."""
        return [state for state, _ in self.caught_up("WHERE cleared_at IS NULL")]

    def states(self) -> list[SessionState]:
        """Give all sessions, each in its newest state."""
        return [state for state, _ in self.caught_up("")]

    def ended_states(self) -> list[SessionState]:
        """Give the sessions that have ended."""
        return [state for state, _ in self.caught_up("WHERE ended_at IS NOT NULL")]

    def state(self, session: str) -> SessionState | None:
        """Give a session's newest state."""
        found = self.caught_up("WHERE session=?", session)
        return found[0][0] if found else None

    def snapshot(self, session: str) -> tuple[SessionState, int] | None:
        """Give a session's state as it was written, and the entry of the log that it was at."""
        row = self._one("SELECT session, entry, state FROM sessions WHERE session=?", session)
        return (read_state(row, self._keys.sealer(session)), row["entry"]) if row else None

    def caught_up(self, where: str, *values: object) -> list[tuple[SessionState, int]]:
        """Give newest states, each with how many events had to be taken up from the log.

        Raises `SealBrokenError`, `BrokenLogError`.
        """
        sql = f"SELECT session, entry, state FROM sessions {where} ORDER BY opened_at"  # noqa: S608
        flows: dict[str, Flow] = {}
        return [self._caught_up(row, flows) for row in list(self._rows(sql, *values))]

    def _caught_up(self, row: dict[str, Any], flows: dict[str, Flow]) -> tuple[SessionState, int]:
        state = read_state(row, self._keys.sealer(row["session"]))
        if state.status.ended:  # written with whatever comes after
            return state, 0
        events = list(self.events(row["session"], after_entry=row["entry"]))
        if not events:
            return state, 0
        if state.flow_ref not in flows:
            flows[state.flow_ref] = self._flow(state.flow_ref)
        return carry_on(flows[state.flow_ref], state, events), len(events)

    def _flow(self, flow_ref: str) -> Flow:
        row = self._one("SELECT * FROM flows WHERE flow_ref=?", flow_ref)
        if row is None:
            raise BrokenLogError("the log is of a flow that is not there")
        stored = read_flow(row)
        return load_flow(stored.canonical, fallback_id=stored.flow_id)

    def session_names(self) -> list[str]:
        """Give the sessions that are stored."""
        return [row["session"] for row in self._rows("SELECT session FROM sessions")]

    def knows(self, session: str) -> bool:
        """Tell whether a session is stored, without reading it."""
        return self._one("SELECT 1 FROM sessions WHERE session=?", session) is not None

    def ended_before(self, at: datetime) -> list[str]:
        """Give the sessions that ended before a moment."""
        rows = self._rows("SELECT session FROM sessions WHERE ended_at <= ?", rfc3339(at))
        return [row["session"] for row in rows]

    def has_key(self, session: str) -> bool:
        """Tell whether a session can be read at all."""
        return self._keys.knows(session)

    def events(
        self, session: str, after: int = 0, limit: int | None = None, *, after_entry: int = 0
    ) -> Iterator[Event]:
        """Give a session's events in order: of a higher revision, and a later entry of the log."""
        chained = self.chained_events(session, after, limit, after_entry=after_entry)
        return (event for event, _ in chained)

    def chained_events(
        self, session: str, after: int = 0, limit: int | None = None, *, after_entry: int = 0
    ) -> Iterator[tuple[Event, Head]]:
        """Give a session's events in order, each with the log's head at it."""
        rows = self._rows(
            "SELECT * FROM events WHERE session=? AND id>? AND revision>? AND content IS NOT NULL"
            " ORDER BY id LIMIT ?",
            session,
            after_entry,
            after,
            -1 if limit is None else limit,
        )
        for row in rows:
            event = read_event(row, self._keys.sealer(session))
            yield event, Head(row["id"], row["chain"])

    def answered(self, session: str, device: str, seq: int) -> Event | None:
        """Give the event that a device's `seq` was answered with."""
        row = self._one(
            "SELECT * FROM events WHERE session=? AND device=? AND seq=?", session, device, seq
        )
        if row is None or row["content"] is None:
            return None
        return read_event(row, self._keys.sealer(session))

    def chunks(self, session: str, upload: str) -> Iterator[bytes]:
        """Give the bytes of an upload that is on its way, in order."""
        rows = self._rows(
            "SELECT * FROM chunks WHERE session=? AND upload=? ORDER BY offset", session, upload
        )
        for row in rows:
            yield read_chunk(row, self._keys.sealer(session))

    def sealed_document(self, session: str, file: str) -> bytes | None:
        """Give a document's file as it is stored; None where it is missing."""
        return self._fetch_document(session, file)

    def document(self, session: str, file: str) -> bytes:
        """Give a document. Raises `FileNotFoundError`, `SealBrokenError`, `KeyGoneError`."""
        sealed = self._fetch_document(session, file)
        if sealed is None:
            raise FileNotFoundError(file)
        return open_document(sealed, session, self._keys.sealer(session))

    # --- the outbox ------------------------------------------------------------------------

    def next_delivery(self, destination: str) -> Delivery | None:
        """Give the waiting delivery to a destination that is due first."""
        row = self._one(
            "SELECT * FROM deliveries WHERE destination=? AND status='waiting'"
            " ORDER BY next_at LIMIT 1",
            destination,
        )
        return self._delivery(row) if row else None

    def deliveries(
        self, session: str | None = None, status: str | None = None, limit: int = -1
    ) -> list[Delivery]:
        """Give deliveries, those that changed last first; of one session, or that stand so."""
        rows = self._rows(
            "SELECT * FROM deliveries WHERE session=coalesce(?,session)"
            " AND status=coalesce(?,status) ORDER BY updated_at DESC, session LIMIT ?",
            session,
            status,
            limit,
        )
        return [self._delivery(row) for row in rows]

    def count_deliveries(self) -> dict[tuple[str, str], int]:
        """Count deliveries by destination and status."""
        rows = self._rows("SELECT destination, status, count(*) n FROM deliveries GROUP BY 1, 2")
        return {(row["destination"], row["status"]): row["n"] for row in rows}

    def undelivered(self, session: str) -> list[str]:
        """Give the destinations that do not have a session yet, though they should."""
        rows = self._rows(
            "SELECT destination FROM deliveries WHERE session=? AND status<>'delivered'", session
        )
        return [row["destination"] for row in rows]

    def _delivery(self, row: dict[str, Any]) -> Delivery:
        return read_delivery(row, self._keys.sealer(row["session"]))

    # --- the log ---------------------------------------------------------------------------

    @property
    def log_key(self) -> bytes | None:
        """The public key that the box signs its log with, by its own keys: 32 bytes, if any.

        Raises `SealBrokenError`, `BoxKeyError`.
        """
        key = self._keys.key(LOG)
        return key and Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()

    def entries(self, after: int = 0, session: str | None = None) -> Iterator[Entry]:
        """Give the log, or what of it is about a session, in order."""
        where, more = ("AND session=?", (session,)) if session else ("", ())
        rows = self._rows(f"SELECT * FROM events WHERE id>? {where} ORDER BY id", after, *more)  # noqa: S608
        return map(read_entry, rows)

    def checkpoints(self) -> list[Checkpoint]:
        """Give the heads that the box has signed, the oldest first."""
        return list(map(read_checkpoint, self._rows("SELECT * FROM checkpoints ORDER BY entry")))

    def head(self) -> Head:
        """Give the log's head as it is stored."""
        row = self._one("SELECT id, chain FROM events ORDER BY id DESC LIMIT 1")
        return Head(row["id"], row["chain"]) if row else Head()

    def purged(self) -> set[str]:
        """Give the sessions that were purged, as far as the log tells."""
        rows = self._rows("SELECT session FROM events WHERE kind='SessionPurged'")
        return {row["session"] for row in rows}

    def logged_sessions(self) -> set[str]:
        """Give the sessions that the log knows events of."""
        rows = self._rows("SELECT DISTINCT session FROM events WHERE revision IS NOT NULL")
        return {row["session"] for row in rows}

    def open_key(self, name: str) -> None:
        """Try a key. Raises `SealBrokenError`, `BoxKeyError`."""
        self._keys.key(name)

    def wrapped_keys(self) -> dict[str, bytes]:
        """Give all keys by their names, wrapped."""
        return {row["name"]: row["wrapped"] for row in self._rows("SELECT * FROM keys")}

    def _rows(self, sql: str, *values: object) -> Iterable[dict[str, Any]]:
        return self._db.query(sql, values)

    def _one(self, sql: str, *values: object) -> dict[str, Any] | None:
        return next(iter(self._rows(sql, *values)), None)


def _finder(db: Database) -> Callable[[str], bytes | None]:
    def find(name: str) -> bytes | None:
        row = next(iter(db.query("SELECT wrapped FROM keys WHERE name=?", [name])), None)
        return row["wrapped"] if row else None

    return find


BACKUP_DOCUMENTS = "backup_documents"
"""The table of a backup that holds the documents' files."""


def _from_table(db: Database) -> FetchDocument:
    def fetch(session: str, file: str) -> bytes | None:
        try:
            rows = db.query(
                f"SELECT bytes FROM {BACKUP_DOCUMENTS} WHERE session=? AND file=?",  # noqa: S608
                [session, file],
            )
            row = next(iter(rows), None)
        except sqlite3.OperationalError:
            return None  # a database that is no backup holds no documents
        return row["bytes"] if row else None

    return fetch
