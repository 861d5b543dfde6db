"""What the disk refused and is tried again, in order."""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence

from session_controller.service.inbox import Received
from session_controller.service.unit_of_work import UnitOfWork

Job = Callable[[UnitOfWork], None]


class Barrier:
    """A place in the queue: `done` is called once all that came before it was handled."""

    def __init__(self, done: Callable[[], None]) -> None:
        self.done = done


Item = Received | Job | Barrier


class Backlog:
    """Items that could not be stored, oldest first. Messages expire, jobs of the box do not."""

    def __init__(self, patience_s: float) -> None:
        self._patience_s = patience_s
        self._items: deque[Received | Job] = deque()
        self._senders: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Received | Job, now_s: float) -> None:
        """Keep an item behind the others. Times are seconds of a clock that does not jump."""
        if not callable(item):
            self._senders[item.sender] += 1
            if item.failing_since_s is None:
                item.failing_since_s = now_s
        self._items.append(item)

    def put_back(self, item: Received | Job) -> None:
        """Keep an item that was taken, as the first again."""
        if not callable(item):
            self._senders[item.sender] += 1
        self._items.appendleft(item)

    def take(self) -> Received | Job:
        """Return the first item, which is no longer kept. Raises `IndexError` if there is none."""
        item = self._items.popleft()
        self._count_out((item,))
        return item

    def take_all(self) -> Sequence[Received | Job]:
        """Return all items, in order; none is kept any longer."""
        items = list(self._items)
        self._items.clear()
        self._senders.clear()
        return items

    def overdue(self, now_s: float) -> list[Received]:
        """Return the messages that have been tried for long enough; they are no longer kept."""
        late = [
            item
            for item in self._items
            if not callable(item)
            and item.failing_since_s is not None
            and now_s - item.failing_since_s >= self._patience_s
        ]
        if late:
            gone = set(map(id, late))
            self._items = deque(item for item in self._items if id(item) not in gone)
            self._count_out(late)
        return late

    def precedes(self, item: Item) -> bool:
        """Return whether something of the same sender is waiting: its order is kept."""
        return not callable(item) and not isinstance(item, Barrier) and item.sender in self._senders

    def _count_out(self, items: Iterable[Received | Job]) -> None:
        for item in items:
            if not callable(item):
                self._senders[item.sender] -= 1
                if not self._senders[item.sender]:
                    del self._senders[item.sender]
