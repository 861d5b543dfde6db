"""The newest of each thing that a client was told, who listens for it, and who waits."""

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

from clients.errors import Closed, TimedOut
from clients.loop import NetworkLoop, report

_T = TypeVar("_T")


class Board:
    """Shared between the network's thread and its users: everything under one lock, `changed`."""

    def __init__(self, loop: NetworkLoop) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.closed = False
        self._loop = loop
        self._newest: dict[type, Any] = {}
        self._listeners: dict[type, list[Callable[[Any], object]]] = {}

    def listen(self, kind: type[_T], callback: Callable[[_T], object]) -> Callable[[], None]:
        """Have `callback` called, in the network's thread; the result undoes it."""
        with self.changed:
            listeners = self._listeners.setdefault(kind, [])
            listeners.append(callback)

        def stop() -> None:
            with self.changed:
                if callback in listeners:
                    listeners.remove(callback)

        return stop

    def tell(self, value: object) -> None:
        """Call the listeners of a value's type and of its base types."""
        with self.changed:
            kinds = type(value).__mro__
            listeners = [each for kind in kinds for each in self._listeners.get(kind, ())]
        for listener in listeners:
            try:
                listener(value)
            except Exception as error:  # noqa: BLE001 - one listener's fault is not the others'
                report(error)

    def pin(self, value: object) -> None:
        """Keep a value as the newest of its type, wake who waits, and tell it."""
        with self.changed:
            self._newest[type(value)] = value
            self.changed.notify_all()
        self.tell(value)

    def newest(self, kind: type[_T]) -> _T | None:
        """Give the newest value of a type, if any came."""
        with self.changed:
            found: _T | None = self._newest.get(kind)
            return found

    def wake(self) -> None:
        """Have everyone who waits look again."""
        with self.changed:
            self.changed.notify_all()

    def close(self) -> None:
        """Wake everyone who waits, to tell them that it is over."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def until(self, look: Callable[[], _T | None], timeout: float | None) -> _T:
        """Wait until `look` gives something; raises TimedOut, or Closed."""
        if self._loop.inside:
            raise RuntimeError("do not wait in a callback: what comes, comes in this very thread")
        deadline = None if timeout is None else time.monotonic() + timeout
        with self.changed:
            while True:
                found = look()
                if found is not None:
                    return found
                if self.closed:
                    raise Closed("the client was closed")
                left = None if deadline is None else deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise TimedOut(f"did not come within {timeout} s")
                self.changed.wait(left)
