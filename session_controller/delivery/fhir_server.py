"""A FHIR server: authorized requests, and its declared capabilities."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from session_controller.delivery.exchange import Answer, Exchange
from session_controller.delivery.judging import declares_conditional_create, declares_transactions
from session_controller.delivery.outcomes import TryAgain
from session_controller.delivery.tokens import Auth

_UNAUTHORIZED = 401
_ASK_AGAIN_S = 24 * 3600.0
"""A server's capabilities change with its updates."""


class FhirServer:
    """Requests to a server's base address (FHIR R4, 3.1.0)."""

    def __init__(
        self,
        base: str,
        exchange: Exchange,
        auth: Auth,
        *,
        clock: Callable[[], datetime],
        steady_s: Callable[[], float],
    ) -> None:
        self._base = base
        self._exchange = exchange
        self._auth = auth
        self._clock = clock
        self._steady_s = steady_s
        self._statement: Answer | None = None
        self._asked_s = 0.0

    def now(self) -> datetime:
        """Return the box's time."""
        return self._clock()

    async def authorization(self) -> str | TryAgain | None:
        """Return the `Authorization` header, or None for no header; may ask for a token."""
        return await self._auth.authorization()

    async def ask(
        self,
        method: str,
        path: str = "",
        *,
        resource: Any = None,
        form: Sequence[tuple[str, str]] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | TryAgain:
        """Send a request; if the server rejects the token, once more with a new one."""
        url = f"{self._base}/{path}" if path else self._base
        for last in (not self._auth.renewable, True):
            said = await self.authorization()
            if isinstance(said, TryAgain):
                return said
            named = {**(headers or {}), **({"Authorization": said} if said else {})}
            answer = await self._exchange.ask(
                method, url, resource=resource, form=form, headers=named
            )
            if isinstance(answer, TryAgain) or answer.status != _UNAUTHORIZED or last:
                break
            self._auth.forget()
        if isinstance(answer, Answer) and answer.status == _UNAUTHORIZED:
            self._auth.forget()
        return answer

    async def statement(self) -> Answer | TryAgain:
        """Return the response to `[base]/metadata` (FHIR R4, 3.1.0.9), requested once a day.

        Some servers have no CapabilityStatement; the response is then whatever they sent.
        """
        old = self._steady_s() - self._asked_s > _ASK_AGAIN_S
        if self._statement is None or old:
            answer = await self.ask("GET", "metadata")
            if isinstance(answer, TryAgain):
                return answer
            if answer.status >= 500 or answer.status == _UNAUTHORIZED:  # noqa: PLR2004
                return answer
            self._statement, self._asked_s = answer, self._steady_s()
        return self._statement

    async def takes_transactions(self) -> bool | TryAgain | None:
        """Return whether the server declares transactions, or None if it does not say."""
        answer = await self.statement()
        return answer if isinstance(answer, TryAgain) else declares_transactions(answer)

    async def is_fhir(self) -> bool:
        """Return whether the address has returned a CapabilityStatement."""
        answer = await self.statement()
        return isinstance(answer, Answer) and answer.resource_type == "CapabilityStatement"

    async def creates_conditionally(self, resource_type: str) -> bool:
        """Return whether the server declares support of `If-None-Exist` for a type."""
        answer = await self.statement()
        return isinstance(answer, Answer) and declares_conditional_create(answer, resource_type)

    async def close(self) -> None:
        """Close the connections."""
        await self._exchange.close()
