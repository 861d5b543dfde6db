"""The newest value of each type that a client received, with listeners and waiters."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from clients.sdk.errors import Closed, TimedOut
from clients.sdk.network.loop import NetworkLoop, report

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Connectivity:
    """Whether the client is connected."""

    online: bool


@dataclass(frozen=True, slots=True)
class Departed:
    """This device's view of a session was cleared: it left, or the session was deleted."""

    session: str


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """Bytes of a document that this device requested."""

    session: str
    upload: str
    offset: int
    data: bytes = field(repr=False)


class Notifier:
    """Shared by the network thread and user threads; one condition, `changed`, guards it."""

    def __init__(self, loop: NetworkLoop) -> None:
        self.changed = threading.Condition(threading.RLock())
        self.closed = False
        self._loop = loop
        self._newest: dict[type, Any] = {}
        self._listeners: dict[type, list[Callable[[Any], object]]] = {}

    def listen(self, kind: type[_T], callback: Callable[[_T], object]) -> Callable[[], None]:
        """Call `callback` in the network thread; return a function that removes it."""
        with self.changed:
            listeners = self._listeners.setdefault(kind, [])
            listeners.append(callback)

        def stop() -> None:
            with self.changed:
                if callback in listeners:
                    listeners.remove(callback)

        return stop

    def tell(self, value: object) -> None:
        """Notify the listeners of a value's type and of its base types."""
        with self.changed:
            kinds = type(value).__mro__
            listeners = [each for kind in kinds for each in self._listeners.get(kind, ())]
        for listener in listeners:
            try:
                listener(value)
            except Exception as error:  # noqa: BLE001 - one listener's fault is not the others'
                report(error)

    def pin(self, value: object) -> None:
        """Store a value as the newest of its type, wake waiters and notify listeners."""
        with self.changed:
            self._newest[type(value)] = value
            self.changed.notify_all()
        self.tell(value)

    def newest(self, kind: type[_T]) -> _T | None:
        """Return the newest value of a type, or None if none has arrived."""
        with self.changed:
            found: _T | None = self._newest.get(kind)
            return found

    def wake(self) -> None:
        """Wake all waiters to check again."""
        with self.changed:
            self.changed.notify_all()

    def close(self) -> None:
        """Close, and wake all waiters."""
        with self.changed:
            self.closed = True
            self.changed.notify_all()

    def until(self, look: Callable[[], _T | None], timeout: float | None) -> _T:
        """Wait until `look` returns a value other than None. Raises TimedOut or Closed."""
        if self._loop.inside:
            raise RuntimeError("must not wait in a callback: values arrive in this thread")
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
                    raise TimedOut(f"nothing arrived within {timeout} s")
                self.changed.wait(left)
