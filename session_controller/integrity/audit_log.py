"""Verify that the audit log is unchanged, and report changed, removed and inserted entries.

Needs no key: the chain covers what is stored. A signature proves that the box saw this log; a
receipt kept elsewhere proves that its end has not been cut off since.
"""

from collections.abc import Iterator
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from session_controller.audit.events import ACT, SessionPurged
from session_controller.audit.hash_chain import (
    Checkpoint,
    Head,
    content_hash,
    follow,
    is_genuine,
    link,
)
from session_controller.errors import ReceiptError
from session_controller.storage.entities import Entry
from session_controller.storage.reader import Reader
from session_controller.storage.rows import read_bytes, read_entry

_BEFORE_ALL = -(1 << 63)


class Receipt(BaseModel):
    """A signed head of the log, to be kept outside the box. Bytes are in hex."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    v: int = 1
    site: str
    epoch: int
    entry: int
    at: str
    chain: str
    signature: str
    public_key: str

    @classmethod
    def of(cls, checkpoint: Checkpoint, site: str, epoch: int) -> Self:
        """Return a checkpoint as a receipt."""
        return cls(
            site=site,
            epoch=epoch,
            entry=checkpoint.head.entry,
            at=checkpoint.at,
            chain=checkpoint.head.chain.hex(),
            signature=checkpoint.signature.hex(),
            public_key=checkpoint.public_key.hex(),
        )

    def checkpoint(self) -> Checkpoint:
        """Return the receipt's checkpoint. Raises `ValueError`."""
        return Checkpoint(
            Head(self.entry, bytes.fromhex(self.chain)),
            self.at,
            bytes.fromhex(self.signature),
            bytes.fromhex(self.public_key),
        )


def read_receipt(text: str) -> Receipt:
    """Parse a receipt. Raises `ReceiptError`."""
    try:
        receipt = Receipt.model_validate_json(text)
        receipt.checkpoint()
    except (ValidationError, ValueError):
        raise ReceiptError("this is not a receipt of an audit log") from None
    return receipt


class LogCheck:
    """Verifies a log from its first entry, or from a head that was verified before.

    Remembers a little of each session and nothing of each entry.
    """

    def __init__(
        self, reader: Reader, *, receipt: Receipt | None = None, start: Head | None = None
    ) -> None:
        self._reader = reader
        self._receipt = receipt
        self._start = start
        self.head = start or Head()
        """The newest entry that was verified."""
        self.entries = 0
        """How many entries were verified."""
        self.revisions: dict[str, int] = {}
        """The newest revision of each session that has events among them."""
        self.purged: set[str] = set()
        """The sessions that were purged among them."""
        self._emptied: dict[str, str] = {}
        """The first entry without content of each session."""

    def faults(self) -> Iterator[str]:
        """Yield what was changed, removed or inserted, in the order of the log."""
        after = self._start.entry if self._start else _BEFORE_ALL
        yield from self._entry_faults(self._reader.log_rows(after))
        for session, name in self._emptied.items():
            if session not in self.purged:
                yield f"{name}: its content was removed, although its session was never purged"
        yield from self._signature_faults(self._reader.checkpoints(after))
        if self._receipt:
            yield from self._receipt_faults(self._receipt.checkpoint())

    def _entry_faults(self, rows: Iterator[tuple[Any, ...]]) -> Iterator[str]:
        last, chain = self.head
        for row in rows:
            if not _follows(last, chain, row):
                yield from _named_faults(Head(last, chain), read_entry(row))
            if row[0] < 1:
                continue
            self._remember(row)
            last, chain = row[0], read_bytes(row[-1])
            self.entries += 1
        self.head = Head(last, chain)

    def _remember(self, row: tuple[Any, ...]) -> None:
        _, _, kind, session, revision, _, _, _, _, content, _, _ = row
        if revision is not None:
            self.revisions[session] = revision
            if content is None and session not in self._emptied:
                self._emptied[session] = _name(read_entry(row))
        elif kind == SessionPurged.__name__:
            self.purged.add(session)

    def _signature_faults(self, checkpoints: list[Checkpoint]) -> Iterator[str]:
        for checkpoint in checkpoints:
            yield from self._checkpoint_faults(checkpoint)
        if len(self._reader.signing_keys()) > 1:
            yield "the log is signed by more than one key"

    def _checkpoint_faults(self, checkpoint: Checkpoint) -> Iterator[str]:
        entry = checkpoint.head.entry
        chain = self._reader.chain_at(entry) if 0 < entry <= self.head.entry else None
        if not is_genuine(checkpoint):
            yield f"the signature at entry {entry} is not valid"
        elif chain is None:
            yield f"the log ends before entry {entry}, which was signed at {checkpoint.at}"
        elif chain != checkpoint.head.chain:
            yield f"the log up to entry {entry} differs from what was signed at {checkpoint.at}"

    def _receipt_faults(self, kept: Checkpoint) -> Iterator[str]:
        for fault in self._checkpoint_faults(kept):
            yield f"according to the receipt, {fault}"
        if self._reader.signing_keys() - {kept.public_key}:
            yield "the receipt was signed by another key than this log"


def _follows(last: int, chain: bytes, row: tuple[Any, ...]) -> bool:
    """Return whether a row is the entry after `last`, and is unchanged."""
    entry, *_, content, digest, linked = row
    return bool(
        entry == last + 1
        and type(digest) is bytes
        and linked == link(chain, entry, digest, row[1:9])
        and (
            row[4] is not None  # the revision: only events of sessions lose their content
            if content is None
            else type(content) is bytes and content_hash(content) == digest
        )
    )


def _named_faults(head: Head, entry: Entry) -> Iterator[str]:
    """Yield what is wrong with an entry, if anything is."""
    name = _name(entry)
    if entry.entry < 1:
        yield f"{name} was inserted before the first"
        return
    if entry.entry != head.entry + 1:
        yield _cut(head.entry + 1, entry.entry - 1)
    if entry.content is None and entry.place.revision is None:
        yield f"{name}: its content was removed"
    elif entry.content is not None and content_hash(entry.content) != entry.content_sha256:
        yield f"{name}: its content was changed"
    follows = follow(Head(entry.entry - 1, head.chain), entry.place, entry.content_sha256)
    if entry.entry == head.entry + 1 and follows.chain != entry.chain:
        yield f"{name} was changed or inserted"


def _name(entry: Entry) -> str:
    return f"entry {entry.entry} ({entry.place.kind}, {entry.place.at})"


def _cut(first: int, last: int) -> str:
    if first > last:
        return f"entry {first} exists more than once"
    which = f"entry {first} was" if first == last else f"entries {first} to {last} were"
    return f"{which} removed"


def told(entry: Entry) -> dict[str, JsonValue]:
    """Describe an entry as JSON; of a session event without its content."""
    place = entry.place
    about: dict[str, JsonValue] = {}
    if place.revision is None and entry.content is not None:
        about = ACT.dump_python(ACT.validate_json(entry.content), mode="json", exclude={"type"})
    return {
        "entry": entry.entry,
        "at": place.at,
        "what": place.kind,
        "device": place.device,
        "person": place.person,
        "session": place.session,
        "revision": place.revision,
        "seq": place.seq,
        "about": {name: value for name, value in about.items() if value is not None},
        "purged": entry.content is None,
    }
