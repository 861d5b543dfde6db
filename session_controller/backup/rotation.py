"""`handrail key rotate`: wrap all keys with another box key; the data is not reencrypted.

If killed at any point, it can be repeated: until all keys are wrapped again, both box keys are
kept.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from session_controller.audit.events import KeyRotated
from session_controller.security.encryption import (
    KEY_BYTES,
    KEY_FILE,
    BoxKeys,
    keys_are_given,
    load_box_keys,
    new_key,
)
from session_controller.security.files import write_private
from session_controller.security.own_tls import OwnTls
from session_controller.storage.entities import LoggedBoxEvent
from session_controller.storage.store import Store


def rotate(
    store: Store,
    data: Path,
    at: datetime,
    device: str,
    person: str | None = None,
    *,
    also: Callable[[BoxKeys], None] = lambda _: None,
) -> int:
    """Wrap all keys with a new key, or the first of the configured ones; return their number.

    `also` wraps those that are elsewhere, while both keys are there. Raises `OSError`,
    `sqlite3.Error`, `BoxKeyError`, and what `also` raises.
    """
    act, own = LoggedBoxEvent(at, KeyRotated(), device, person=person), OwnTls(data)
    if keys_are_given():
        box = load_box_keys(data)
        if box is None:
            raise FileNotFoundError("the configured box key is missing")
        own.rewrap(box)
        count = store.rewrap(box, act)
        also(box)
        return count
    path = data / KEY_FILE
    both = new_key() + path.read_bytes()
    write_private(path, both)
    new = BoxKeys.read(both)
    count = store.rewrap(new, act)
    own.rewrap(new)
    also(new)
    write_private(path, both[:KEY_BYTES])
    return count
