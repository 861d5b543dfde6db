"""The format of a document's file: segments of the document, each encrypted by itself.

`FORMAT`, then for each segment the size of its ciphertext (4 bytes, big-endian) and the ciphertext,
which is bound to the session, the upload and the segment's offset in the document. Whether segments
are missing at the end is for the caller to check, by the document's size or the file's hash.
"""

import os

from schemas.topics import MAX_CHUNK
from session_controller.security.encryption import OVERHEAD, Cipher, DecryptionError

FORMAT = b"handdoc\x01"
_PREFIX = 4


def seal_segment(cipher: Cipher, session: str, upload: str, offset: int, data: bytes) -> bytes:
    """Encrypt bytes of a document as one segment of its file."""
    sealed = cipher.encrypt(data, _about(session, upload, offset))
    return len(sealed).to_bytes(_PREFIX, "big") + sealed


def seal_document(cipher: Cipher, session: str, upload: str, document: bytes) -> bytes:
    """Return the file of a whole document, in segments of the size that clients send."""
    offsets = range(0, len(document), MAX_CHUNK)
    parts = ((at, document[at : at + MAX_CHUNK]) for at in offsets)
    return FORMAT + b"".join(seal_segment(cipher, session, upload, *part) for part in parts)


def open_segments(cipher: Cipher, session: str, upload: str, content: bytes) -> bytes:
    """Decrypt all segments of a file. Raises `DecryptionError`."""
    if not content.startswith(FORMAT):
        raise DecryptionError("the file is not a document")
    found: list[bytes] = []
    at, offset = len(FORMAT), 0
    while at < len(content):
        begin = at + _PREFIX
        at = begin + int.from_bytes(content[at:begin], "big")
        found.append(cipher.decrypt(content[begin:at], _about(session, upload, offset)))
        offset += len(found[-1])
    return b"".join(found)


def find_position(handle: int, offset: int) -> int | None:
    """Return where in an open file the segment at an offset of the document begins.

    None if the file has no such place: it is too short, or no segment begins or ends there.
    """
    end, at = os.fstat(handle).st_size, len(FORMAT)
    while offset > 0 and at < end:
        size = int.from_bytes(os.pread(handle, _PREFIX, at), "big")
        if size <= OVERHEAD:  # no segment is empty; a file that lost its content is zeros
            return None
        at += _PREFIX + size
        offset -= size - OVERHEAD
    return at if offset == 0 and at <= end else None


def _about(session: str, upload: str, offset: int) -> bytes:
    return f"document:{session}:{upload}:{offset}".encode()
