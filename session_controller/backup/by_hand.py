"""What a restored box needs and its backup could not contain, since it is not in the data folder.

Keys, tokens, certificates and folders elsewhere on the machine; the configuration of the
box; the box's key, if it was not a file.
"""

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from session_controller.data_folder import CONFIGURATION_FILE, DELIVERY_FILE
from session_controller.errors import StoreError
from session_controller.integrity.configuration import (
    configured_destinations,
    is_readable,
    missing_files,
    told_unknown,
    unknown_destinations,
)
from session_controller.security.encryption import (
    CREDENTIAL,
    KEY_FILE,
    KEY_VARIABLE,
    keys_are_given,
)
from session_controller.security.keyring import Keyring
from session_controller.settings import CHOSEN, FONTS
from session_controller.storage.database import DATABASE
from session_controller.storage.reader import Reader

_FILES = (
    "tls.certificate",
    "tls.key",
    "tls.client_ca",
    "metrics.token_file",
    "oidc.client_secret_file",
    "oidc.ca_file",
)
"""Keys of the configuration that name files."""


def by_hand(data: Path, keyring: Keyring, replaced: Path | None) -> Iterator[str]:
    """Yield what has to be given by hand to a data folder that was just restored."""
    chosen, fonts, counts = _remembered(data / DATABASE)
    destinations = configured_destinations(_content(data))
    if KEY_FILE not in keyring.files:
        yield f"the box key: pass {KEY_VARIABLE} or the credential {CREDENTIAL} to `handrail serve`"
    elif keys_are_given():
        yield (
            f"the box key: {KEY_VARIABLE} or the credential {CREDENTIAL} has another one than this "
            f"backup, whose key is now in {data / KEY_FILE}; do not pass the other one any more"
        )
    elif keyring.key_outside:
        yield (
            f"the box key: it was kept outside the data folder, and is now in {data / KEY_FILE}; "
            f"pass it as {KEY_VARIABLE} or the credential {CREDENTIAL} again, and remove the file"
        )
    if chosen:
        yield _configuration(data, chosen)
    if fonts:
        yield f"the folder of fonts: set HANDRAIL_FONTS, which was {fonts}"
    for name, path in named_files(chosen).items():
        if not is_readable(path):
            yield f"{name}: {path} does not exist or cannot be read; put it there"
    yield from map(str, missing_files(data, destinations))
    yield from map(str, told_unknown(unknown_destinations(counts, destinations)))
    known = {each.name for each in destinations}
    for each in configured_destinations(_content(replaced) if replaced else None):
        if each.name not in known:
            yield (
                f"{each.name}: a destination of this folder before, which is not in the backup; "
                f"its settings are in {replaced}/{DELIVERY_FILE}"
            )


def _configuration(data: Path, chosen: Mapping[str, str]) -> str:
    said = ", ".join(f"{name} = {json.dumps(value)}" for name, value in chosen.items())
    if (data / CONFIGURATION_FILE).exists():
        return f"of the configuration, what {CONFIGURATION_FILE} does not have; it was: {said}"
    return f"the configuration in {CONFIGURATION_FILE}, which was: {said}"


def _content(folder: Path) -> bytes | None:
    path = folder / DELIVERY_FILE
    return path.read_bytes() if path.exists() else None


def _remembered(database: Path) -> tuple[dict[str, str], str, Mapping[tuple[str, str], int]]:
    with suppress(sqlite3.Error, StoreError), Reader.without_keys(database) as reader:
        return chosen_of(reader), reader.meta(FONTS) or "", reader.count_deliveries()
    return {}, "", {}


def chosen_of(reader: Reader) -> dict[str, str]:
    """Return the configuration of the last `handrail serve`, where it was not the default."""
    return dict(json.loads(reader.meta(CHOSEN) or "{}"))


def named_files(chosen: Mapping[str, str]) -> dict[str, Path]:
    """Return the files that a configuration names, by key."""
    return {name: Path(chosen[name]) for name in _FILES if name in chosen}
