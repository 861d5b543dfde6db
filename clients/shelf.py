"""Flows that were read, for ever: a `flow_ref` never means anything else."""

import threading

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
