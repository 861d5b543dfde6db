"""The transport below a connection, and the reasons for which reading is paused."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """The byte stream of a connection; the transports of asyncio and uvloop conform to it."""

    def write(self, data: bytes) -> None: ...  # noqa: D102
    def get_write_buffer_size(self) -> int: ...  # noqa: D102
    def pause_reading(self) -> None: ...  # noqa: D102
    def resume_reading(self) -> None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102
    def abort(self) -> None: ...  # noqa: D102


class Hold:
    """Reasons for which reading from a connection is paused; bits of an int.

    Not an IntFlag: it is tested for every packet, and each test would be a call into `enum`.
    """

    CHECK = 1
    """Credentials or a plugin are being asked; later packets must wait (3.1.0-1)."""
    HOST = 2
    """The host program defers too many of its acknowledgements."""
    OUTPUT = 4
    """The client does not read the answers to its packets."""
    STOP = 8
    """The broker is stopping."""
