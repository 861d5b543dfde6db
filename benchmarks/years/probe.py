"""A front-desk screen that is never idle: how long it waits while something else is done."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from clients.sdk.admin import AdminClient
from clients.sdk.credential import Credential
from clients.sdk.errors import HandrailError
from clients.sdk.facility import FacilityClient
from schemas.base import Role
from schemas.wire.requests import ListFlows

_EVERY_S = 0.005
_COMMAND_EVERY = 100
"""One probe of so many is a command, which the box commits; the others are requests."""
_FLOW = "quick-check-in"


class Probe:
    """Asks a box something every few milliseconds while it is watched, from a thread of its own."""

    def __init__(self, data: Path, timeout: float) -> None:
        self._timeout = timeout
        where = json.loads((data / "box.json").read_text())
        secret = json.loads((data / "admin.json").read_text())["admin-8"]
        admin = Credential(where["site"], "admin-8", Role.ADMIN, secret)
        with closing(AdminClient(where["mqtt"], admin).start(timeout)) as it:
            enrolled = it.enrol_device("probe", Role.FACILITY, timeout=timeout)
        own = Credential(enrolled.site, enrolled.device, Role.FACILITY, enrolled.secret or "")
        self._client = FacilityClient(where["mqtt"], own)
        self._thread = threading.Thread(target=self._ask)
        self._over = threading.Event()
        self._watching = threading.Event()
        self._asked_at: float | None = None
        self._longest = 0.0
        self._answers = 0

    def __enter__(self) -> Self:
        self._client.start(self._timeout)
        opened = self._client.open_session(_FLOW, label="probe", timeout=self._timeout)
        self._session = opened.session
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._over.set()
        self._thread.join()
        with suppress(HandrailError):
            self._client.cancel(self._session, "probe").result(self._timeout)
        self._client.close()

    def _ask(self) -> None:
        number = 0
        while not self._over.wait(_EVERY_S):
            if not self._watching.is_set():
                continue
            number += 1
            self._asked_at = began = time.monotonic()
            with suppress(HandrailError):
                if number % _COMMAND_EVERY:
                    self._client.pending_request(ListFlows).result(self._timeout)
                else:
                    covered = bool(number // _COMMAND_EVERY % 2)
                    pending = self._client.cover_screen(self._session, covered=covered)
                    pending.result(self._timeout)
                self._answers += 1
            self._longest = max(self._longest, time.monotonic() - began)
            self._asked_at = None

    @contextmanager
    def watching(self) -> Iterator[list[float]]:
        """Yield a list that holds the longest wait in seconds once the `with` is over.

        Waits at the end for an answer to a probe that was sent after all else, so that the box has
        done what it was asked.
        """
        self._longest = 0.0
        longest: list[float] = []
        self._watching.set()
        yield longest
        self._settle()
        self._watching.clear()
        asked_at = self._asked_at
        unanswered = time.monotonic() - asked_at if asked_at else 0.0
        longest.append(max(self._longest, unanswered))

    def _settle(self) -> None:
        target, deadline = self._answers + 2, time.monotonic() + self._timeout
        while self._answers < target and time.monotonic() < deadline:
            time.sleep(_EVERY_S)
