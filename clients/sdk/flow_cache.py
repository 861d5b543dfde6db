"""Cache of parsed flows without expiry: a `flow_ref` always means the same flow."""

import threading
from typing import TYPE_CHECKING

from clients.sdk.pending import Pending

if TYPE_CHECKING:
    from schemas.questionnaire.load import Flow


class FlowCache:
    """Flows by their reference; may be shared by many clients."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flows: dict[str, Flow] = {}

    def get(self, flow_ref: str) -> "Flow | None":
        """Return a cached flow, or None if absent."""
        with self._lock:
            return self._flows.get(flow_ref)

    def put(self, flow_ref: str, payload: bytes) -> "Flow":
        """Parse a flow and cache it. Raises FlowError."""
        from schemas.questionnaire.load import load_flow  # noqa: PLC0415 - for clients of flows

        found = self.get(flow_ref)
        if found is None:
            found = load_flow(payload)
            with self._lock:
                self._flows[flow_ref] = found
        return found


class FlowOrders:
    """One client's pending requests for flows."""

    def __init__(self, shelf: FlowCache) -> None:
        self._flow_cache = shelf
        self._lock = threading.Lock()
        self._orders: dict[str, list[Pending[Flow]]] = {}

    def here(self, flow_ref: str, pending: "Pending[Flow]") -> bool:
        """Resolve with a cached flow, or queue the request; return whether the flow was cached."""
        with self._lock:
            found = self._flow_cache.get(flow_ref)
            if found is None:
                self._orders.setdefault(flow_ref, []).append(pending)
        if found is not None:
            pending.settle(found)
        return found is not None

    def came(self, flow_ref: str, payload: bytes) -> None:
        """Parse a received flow and resolve the requests for it. Raises FlowError."""
        flow = self._flow_cache.put(flow_ref, payload)
        with self._lock:
            waiting = self._orders.pop(flow_ref, [])
        for pending in waiting:
            pending.settle(flow)

    def waiting(self) -> "list[Pending[Flow]]":
        """Return all pending requests."""
        with self._lock:
            return [pending for pendings in self._orders.values() for pending in pendings]
