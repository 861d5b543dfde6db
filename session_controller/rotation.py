"""`handrail key rotate`: all keys wrapped by another key of the box; what they seal stays as it is.

Killed at any point, it can be done again: until all is wrapped anew, both keys are there.
"""

from datetime import datetime
from pathlib import Path

from session_controller.acts import KeyRotated
from session_controller.files import write_private
from session_controller.records import LoggedAct
from session_controller.sealing import (
    KEY_BYTES,
    KEY_FILE,
    BoxKeys,
    keys_are_given,
    load_box_keys,
    new_key,
)
from session_controller.store import Store


def rotate(store: Store, data: Path, at: datetime, device: str) -> int:
    """Wrap all keys by a new key, or by the first of those that were given; gives how many.

    Raises `OSError`, `sqlite3.Error`, `BoxKeyError`.
    """
    act = LoggedAct(at, KeyRotated(), device)
    if keys_are_given():
        box = load_box_keys(data)
        if box is None:
            raise FileNotFoundError("the box's key is given no more")
        return store.rewrap(box, act)
    path = data / KEY_FILE
    both = new_key() + path.read_bytes()
    write_private(path, both)
    count = store.rewrap(BoxKeys.read(both), act)
    write_private(path, both[:KEY_BYTES])
    return count
