"""What a connection needs of the stream below it, and why it may not be read for a while."""

from __future__ import annotations

from typing import Protocol


class Transport(Protocol):
    """What a connection needs of the stream below it; asyncio's and uvloop's transports fit."""

    def write(self, data: bytes) -> None: ...  # noqa: D102
    def get_write_buffer_size(self) -> int: ...  # noqa: D102
    def pause_reading(self) -> None: ...  # noqa: D102
    def resume_reading(self) -> None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102
    def abort(self) -> None: ...  # noqa: D102


class Hold:
    """Why nothing is read from a connection for the moment; bits of an int.

    No IntFlag: its truth is asked for every packet and takes a call into the enum module.
    """

    CHECK = 1
    """Its CONNECT is being decided: what follows must wait (3.1.0-1)."""
    HOST = 2
    """The host program holds many of its acknowledgements."""
    OUTPUT = 4
    """It does not read the answers to what it sends."""
    STOP = 8
    """The broker stops."""
