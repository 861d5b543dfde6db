"""Whether the log is as it was written: no entry changed, cut out or put in, and which if not.

Needs no key: the chain is of what is stored. What a signature proves is that this box saw the log
like that; a receipt that is kept elsewhere proves that nothing was cut off its end since.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain as joined
from typing import Self

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from session_controller.acts import ACT
from session_controller.chain import Checkpoint, Head, content_hash, follow, is_genuine
from session_controller.errors import ReceiptError
from session_controller.reading import Reader
from session_controller.records import Entry

_BEFORE_ALL = -(1 << 63)


class Receipt(BaseModel):
    """A signed head of the log, to be kept outside the box. Hex where it is bytes."""

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
        """Write a checkpoint as a receipt."""
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
        """Give the checkpoint that it holds. Raises `ValueError`."""
        return Checkpoint(
            Head(self.entry, bytes.fromhex(self.chain)),
            self.at,
            bytes.fromhex(self.signature),
            bytes.fromhex(self.public_key),
        )


@dataclass(frozen=True, slots=True)
class Audited:
    """What a look through the log found."""

    entries: int
    signed: int
    """The newest entry that a signature covers."""
    purged: int
    """Sessions whose content is gone, and whose entries remain."""
    faults: tuple[str, ...]


def read_receipt(text: str) -> Receipt:
    """Read a receipt. Raises `ReceiptError`."""
    try:
        receipt = Receipt.model_validate_json(text)
        receipt.checkpoint()
    except (ValidationError, ValueError):
        raise ReceiptError("this is no receipt of a log") from None
    return receipt


def audit(reader: Reader, *, receipt: Receipt | None = None) -> Audited:
    """Go through the whole log of a database."""
    purged = reader.purged()
    heads: dict[int, bytes] = {}
    faults = list(_chain_faults(reader, purged, heads))
    checkpoints = reader.checkpoints()
    kept = [receipt.checkpoint()] if receipt else []
    faults += joined(_checkpoint_faults(checkpoints, heads), _receipt_faults(kept, heads))
    if kept and checkpoints and kept[0].public_key != checkpoints[-1].public_key:
        faults.append("the receipt was signed by another key than this log")
    faults += _session_faults(reader)
    signed = max((c.head.entry for c in checkpoints), default=0)
    return Audited(len(heads), signed, len(purged), tuple(faults))


def _chain_faults(reader: Reader, purged: set[str], heads: dict[int, bytes]) -> Iterator[str]:
    """Follow the chain; `heads` gets the hash of each entry."""
    head = Head()
    for entry in reader.entries(after=_BEFORE_ALL):
        if entry.entry < 1:
            yield f"{_name(entry)} was put in before the first"
            continue
        if entry.entry != head.entry + 1:
            yield _cut(head.entry + 1, entry.entry - 1)
        yield from _content_faults(entry, purged)
        follows = follow(Head(entry.entry - 1, head.chain), entry.place, entry.content_sha256)
        if entry.entry == head.entry + 1 and follows.chain != entry.chain:
            yield f"{_name(entry)} was changed or put in"
        head = Head(entry.entry, entry.chain)
        heads[entry.entry] = entry.chain


def _name(entry: Entry) -> str:
    return f"entry {entry.entry} ({entry.place.kind}, {entry.place.at})"


def _cut(first: int, last: int) -> str:
    if first > last:
        return f"entry {first} stands there more than once"
    which = f"entry {first} was" if first == last else f"entries {first} to {last} were"
    return f"{which} cut out"


def _content_faults(entry: Entry, purged: set[str]) -> Iterator[str]:
    name = _name(entry)
    if entry.content is not None:
        if content_hash(entry.content) != entry.content_sha256:
            yield f"{name}: what it says was changed"
    elif entry.place.revision is None:
        yield f"{name}: what it says was taken out"
    elif entry.place.session not in purged:
        yield f"{name}: what it says was taken out, and its session was never purged"


def _checkpoint_faults(checkpoints: list[Checkpoint], heads: dict[int, bytes]) -> Iterator[str]:
    for checkpoint in checkpoints:
        entry = checkpoint.head.entry
        if not is_genuine(checkpoint):
            yield f"the signature at entry {entry} is not genuine"
        elif entry not in heads:
            yield f"the log ends before entry {entry}, which was signed at {checkpoint.at}"
        elif heads[entry] != checkpoint.head.chain:
            yield f"up to entry {entry} the log is not what was signed at {checkpoint.at}"
    if len({checkpoint.public_key for checkpoint in checkpoints}) > 1:
        yield "the log is signed by more than one key"


def _receipt_faults(kept: list[Checkpoint], heads: dict[int, bytes]) -> Iterator[str]:
    for fault in _checkpoint_faults(kept, heads):
        yield f"by the receipt, {fault}"


def _session_faults(reader: Reader) -> Iterator[str]:
    """Look for sessions that stand without their entries, and the other way round."""
    logged = reader.logged_sessions()
    stored = set(reader.session_names())
    for name in sorted(stored - logged, key=str):
        yield f"{name}: the session is there, but the log knows nothing of it"
    for name in sorted(logged - stored - reader.purged(), key=str):
        yield f"{name}: the session is gone, although it was never purged"


def told(entry: Entry) -> dict[str, JsonValue]:
    """Tell an entry of the log for a person or a program: of an event only that it was."""
    place = entry.place
    about: dict[str, JsonValue] = {}
    if place.revision is None and entry.content is not None:
        about = {k: v for k, v in vars(ACT.validate_json(entry.content)).items() if k != "type"}
    return {
        "entry": entry.entry,
        "at": place.at,
        "what": place.kind,
        "device": place.device,
        "session": place.session,
        "revision": place.revision,
        "seq": place.seq,
        "about": {name: value for name, value in about.items() if value is not None},
        "purged": entry.content is None,
    }
