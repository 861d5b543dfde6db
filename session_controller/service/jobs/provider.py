"""The OpenID Connect provider is asked beside the batches: it may take seconds to answer."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from session_controller.openid.authorization import authorization_url
from session_controller.openid.provider import Provider
from session_controller.openid.refused import Cause, Refused
from session_controller.openid.settings import OpenIdSettings
from session_controller.service.desks import BeginAtProvider, ProviderOrder
from session_controller.service.handlers.provider import conclude_begin, conclude_finish
from session_controller.service.unit_of_work import UnitOfWork

_log = logging.getLogger(__name__)

_T = TypeVar("_T")


@dataclass(slots=True)
class ProviderJobs:
    """Does what batches ordered; the outcome is the work of a later batch."""

    settings: OpenIdSettings
    provider: Provider
    submit: Callable[[Callable[[UnitOfWork], None]], None]

    async def do(self, order: ProviderOrder) -> None:
        """Look the provider up, or let it exchange a code."""
        if isinstance(order, BeginAtProvider):
            url = await _or_refused(self._url(order))
            self.submit(lambda work: conclude_begin(work, order, url))
            return
        asked = self.provider.account(order.code, order.pending, order.issuer)
        found = await _or_refused(asked)
        self.submit(lambda work: conclude_finish(work, order, found))

    async def _url(self, order: BeginAtProvider) -> str | Refused:
        found = await self.provider.discovery()
        if isinstance(found, Refused):
            return found
        return authorization_url(found.authorization_endpoint, self.settings, order.pending)

    async def close(self) -> None:
        """Close the connections to the provider."""
        await self.provider.close()


async def _or_refused(asked: Awaitable[_T]) -> _T | Refused:
    """Return the result; what nobody foresaw is a refusal: the person waits for an answer."""
    try:
        return await asked
    except Exception as error:  # noqa: BLE001 - whoever asked hears of it
        _log.error("the provider could not be asked: %s", type(error).__name__)
        return Refused(Cause.INVALID, "error")
