"""Check that a backup is whole: every page, every document, and the box's signature.

`python -m session_controller.backup.checking FILE` does this in a separate process, so that it does
not delay a running box. Copies of documents that are damaged are removed: the next backup copies
them again.
"""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from session_controller.backup.manifest import Manifest, RootHash, is_signed, read_manifest
from session_controller.backup.packs import PageMap, PageReader, page_hash
from session_controller.backup.shelf import DOCUMENTS, Name, names_of
from session_controller.errors import KeyringError, RecoveryKeyNeededError, StoreError
from session_controller.security.encryption import BoxKeyError, DecryptionError
from session_controller.security.keyring import Keyring, keyring_of, read_keyring
from session_controller.security.keys import LOG, session_key
from session_controller.storage.documents import is_intact

_MAX_FAULTS = 20


def assemble(folder: Path, manifest: Manifest, target: BinaryIO | None = None) -> None:
    """Read all pages of a backup in order, and write them to a file if one is passed.

    Raises `StoreError` if one is missing or changed, `OSError`.
    """
    header = manifest.header
    reader, root = PageReader(folder, header.page_size), RootHash()
    empty = bytes(header.page_size)
    try:
        for pack, first, count in manifest.pages:
            zero = pack == PageMap.ZERO
            name = "" if zero else header.packs[pack]
            for page in [empty] * count if zero else reader.read(name, first, count):
                root.add(page_hash(page))
                if target is not None:
                    target.write(page)
    except FileNotFoundError as error:
        raise StoreError(f"{error.filename} is missing") from None
    finally:
        reader.close()
    if root.hexdigest() != header.root:
        raise StoreError("its pages are not those that were backed up")


def refuse_unsigned(path: Path, manifest: Manifest, keyring: Keyring, data: Path) -> None:
    """Raise `StoreError` if a box with these keys has not signed a backup; `KeyringError`."""
    if not is_signed(manifest.header, public_key(keyring, data)):
        raise StoreError(f"{path.name} was changed after the box wrote it")


def public_key(keyring: Keyring, data: Path) -> bytes:
    """Return the key that verifies what a box signs. Raises `StoreError`, `KeyringError`."""
    wrapped = keyring.keys.get(LOG)
    if wrapped is None:
        raise StoreError("its keyring lacks the key that the box signs with")
    try:
        key = keyring.box_keys(data).unwrap(wrapped, LOG)
    except (BoxKeyError, DecryptionError):
        if keyring.is_sealed:
            raise RecoveryKeyNeededError("the box key here is another one") from None
        raise StoreError("its keyring was made with another box key") from None
    return Ed25519PrivateKey.from_private_bytes(key).public_key().public_bytes_raw()


def document_fault(folder: Path, name: Name, keyring: Keyring) -> str | None:
    """Return what is wrong with a document; it may be missing if its session was purged."""
    path = (folder / DOCUMENTS).joinpath(*name)
    try:
        return None if is_intact(path.read_bytes(), name[1]) else f"{path} was changed"
    except FileNotFoundError:
        return f"{path} is missing" if session_key(name[0]) in keyring.keys else None
    except OSError as error:
        return f"{path} cannot be read: {error.strerror}"


def faults(path: Path, *, discard: bool = False) -> Iterator[str]:
    """Yield what is wrong with a backup; never raises.

    Changes nothing, unless copies of documents that are damaged are to be discarded.
    """
    try:
        manifest, keyring = read_manifest(path), read_keyring(keyring_of(path))
        refuse_unsigned(path, manifest, keyring, path.parent.parent)
        yield from contents_faults(path, keyring, discard=discard)
    except (StoreError, KeyringError) as error:
        yield str(error)


def contents_faults(path: Path, keyring: Keyring, *, discard: bool = False) -> Iterator[str]:
    """Yield which pages and documents of a backup are not as its list says; never raises."""
    try:
        manifest = read_manifest(path)
        assemble(path.parent, manifest)
        documents = names_of(path.parent, manifest.header.documents)
        for name in sorted(documents):
            if fault := document_fault(path.parent, name, keyring):
                yield fault
                if discard:
                    (path.parent / DOCUMENTS).joinpath(*name).unlink(missing_ok=True)
    except StoreError as error:
        yield str(error)
    except OSError as error:
        yield f"{path} cannot be read: {error.strerror}"


def main() -> int:
    """Check the backup named on the command line; print one line per fault."""
    path = Path(sys.argv[1])
    os.nice(10)
    found = list(faults(path, discard=True))[:_MAX_FAULTS]
    for fault in found:
        sys.stdout.write(f"{fault}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
