"""Delivery to a FHIR server: as a transaction if supported, else resource by resource."""

import asyncio
import hashlib
from dataclasses import replace
from typing import Literal

from session_controller.delivery.fhir_server import FhirServer
from session_controller.delivery.fhir_singles import send_singles
from session_controller.delivery.judging import takes_no_transactions, transaction_outcome
from session_controller.delivery.outcomes import Held, Outcome, TryAgain
from session_controller.delivery.sender import Keep, Parcel
from session_controller.export.writers import Formats, Resource, encoded

_TOO_LARGE = 413


def _sha256(bundle: Resource) -> str:
    return hashlib.sha256(encoded(bundle)).hexdigest()


class FhirSender:
    """Sends sessions to one FHIR R4 server."""

    def __init__(
        self,
        server: FhirServer,
        formats: Formats,
        transactions: Literal["auto", "always", "never"] = "auto",
    ) -> None:
        self._server = server
        self._formats = formats
        self._transactions = transactions

    async def send(self, parcel: Parcel, keep: Keep) -> Outcome:
        """Send a session; one begun resource by resource continues so, since part is stored.

        Either way, what was sent has the hash of the whole.
        """
        bundle = await asyncio.to_thread(self._formats.transaction, parcel.record)
        outcome = await self._send(bundle, parcel, keep)
        if isinstance(outcome, TryAgain | Held):
            return outcome
        return replace(outcome, sha256=await asyncio.to_thread(_sha256, bundle))

    async def _send(self, bundle: Resource, parcel: Parcel, keep: Keep) -> Outcome:
        if parcel.progress is None:
            outcome = await self._transaction(bundle)
            if outcome is not None:
                return outcome
        entries = await asyncio.to_thread(self._formats.singles, bundle)
        return await send_singles(self._server, entries, parcel.progress, keep)

    async def _transaction(self, bundle: Resource) -> Outcome | None:
        """Send a session as one transaction; return None if the server does not support that."""
        declared = await self._takes_transactions()
        if isinstance(declared, TryAgain):
            return declared
        if declared is False:
            return None
        answer = await self._server.ask("POST", resource=bundle)
        if isinstance(answer, TryAgain):
            return answer
        whole = self._transactions == "always"
        if not whole and takes_no_transactions(answer, declared=declared):
            if await self._server.is_fhir():
                return None
        elif not whole and answer.status == _TOO_LARGE:
            return None  # its parts may be small enough
        return transaction_outcome(answer, len(bundle["entry"]), self._server.now())

    async def _takes_transactions(self) -> bool | TryAgain | None:
        if self._transactions == "auto":
            return await self._server.takes_transactions()
        return self._transactions == "always"

    async def close(self) -> None:
        """Close the connections."""
        await self._server.close()
