"""Flows that were read, for ever: a `flow_ref` never means anything else."""

import threading

from clients.pending import Pending
from schemas.flow import Flow, load_flow


class FlowShelf:
    """Flows by their reference; one may serve many clients."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flows: dict[str, Flow] = {}

    def get(self, flow_ref: str) -> Flow | None:
        """Give a flow that is here."""
        with self._lock:
            return self._flows.get(flow_ref)

    def put(self, flow_ref: str, payload: bytes) -> Flow:
        """Read a flow and keep it; raises FlowError."""
        found = self.get(flow_ref)
        if found is None:
            found = load_flow(payload)
            with self._lock:
                self._flows[flow_ref] = found
        return found


class FlowOrders:
    """Who waits for which flow at one client."""

    def __init__(self, shelf: FlowShelf) -> None:
        self._shelf = shelf
        self._lock = threading.Lock()
        self._orders: dict[str, list[Pending[Flow]]] = {}

    def here(self, flow_ref: str, pending: Pending[Flow]) -> bool:
        """Settle with a flow that is here, or keep the order; tells which."""
        with self._lock:
            found = self._shelf.get(flow_ref)
            if found is None:
                self._orders.setdefault(flow_ref, []).append(pending)
        if found is not None:
            pending.settle(found)
        return found is not None

    def came(self, flow_ref: str, payload: bytes) -> None:
        """Take a flow that was sent, and give it to who waits; raises FlowError."""
        flow = self._shelf.put(flow_ref, payload)
        with self._lock:
            waiting = self._orders.pop(flow_ref, [])
        for pending in waiting:
            pending.settle(flow)

    def waiting(self) -> list[Pending[Flow]]:
        """Give all who wait."""
        with self._lock:
            return [pending for pendings in self._orders.values() for pending in pendings]
