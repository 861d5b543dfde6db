"""Pairing: a device that is not enrolled exchanges a code for its credential."""

import secrets
import ssl
from asyncio import TimerHandle
from concurrent.futures import Future

from pydantic import TypeAdapter

from clients.sdk.address import Address
from clients.sdk.credential import Credential
from clients.sdk.errors import ConnectFailed, NotAuthorized, TimedOut, request_refused
from clients.sdk.network.backoff import Backoff
from clients.sdk.network.connection import Connection, Login, Message
from clients.sdk.network.loop import NetworkLoop
from clients.sdk.trust import tls_for
from schemas import topics
from schemas.access import PAIRING_PREFIX, PAIRING_USER
from schemas.base import DEFERRED
from schemas.topics import ClaimTopic, GrantTopic
from schemas.wire.devices import PairingClaim, PairingGrant
from schemas.wire.rejections import Rejection

_REPLY: TypeAdapter[PairingGrant | Rejection] = TypeAdapter(
    PairingGrant | Rejection, config=DEFERRED
)


def pair(
    url: str,
    code: str,
    *,
    name: str | None = None,
    site: str = "main",
    timeout: float = 10.0,
    tls: ssl.SSLContext | None = None,
) -> Credential:
    """Exchange a code for a credential, which the caller stores with `save`.

    Raises CodeRefused if the code is wrong, used or expired, ConnectFailed if the box cannot be
    reached, TimedOut if it does not answer.
    """
    address = Address.parse(url)
    secured = tls_for(address, tls)
    loop = NetworkLoop("handrail-pairing")
    shown = PairingClaim(code=code, name=name)
    claim = _Claim(loop, address, shown, site, secured)
    loop.run(claim.open)
    try:
        answer = claim.answer.result(timeout)
    except TimedOut:
        raise
    except TimeoutError:
        raise TimedOut(f"the box did not answer within {timeout} s") from None
    finally:
        gone: Future[None] = Future()
        loop.run(claim.leave, gone)
        gone.result(timeout)
        loop.stop()
    if isinstance(answer, Rejection):
        raise request_refused(answer)
    return Credential.from_grant(answer)


class _Claim:
    """An unenrolled device, from its claim to the answer.

    If the connection is lost after the code was sent, it reconnects under the same client id and
    sends the code again: the box then repeats its answer, which may have been lost.
    """

    def __init__(
        self,
        loop: NetworkLoop,
        address: Address,
        claim: PairingClaim,
        site: str,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.answer: Future[PairingGrant | Rejection] = Future()
        self._loop = loop
        self._address = address
        self._claim = claim
        self._site = site
        self._tls = tls
        self._client_id = PAIRING_PREFIX + secrets.token_hex(16)
        self._backoff = Backoff()
        self._connection: Connection | None = None
        self._retry: TimerHandle | None = None
        self._shown = False
        self._gone: Future[None] | None = None

    def open(self) -> None:
        """Connect."""
        self._connection = Connection(
            self._loop,
            self._address,
            Login(self._client_id, PAIRING_USER),
            self,
            filters=(GrantTopic(self._client_id).under(self._site),),
            will=None,
            keepalive=30,
            tls=self._tls,
        )
        self._connection.open()

    def opened(self) -> None:
        """Send the code."""
        if self._connection is not None:
            self._shown = True
            topic = ClaimTopic(self._client_id).under(self._site)
            self._connection.publish(Message(topic, self._claim.to_json()))

    def received(self, message: Message) -> None:
        """Handle the grant or the refusal."""
        if isinstance(topics.parse(self._site, message.topic), GrantTopic):
            answer = _REPLY.validate_json(message.payload)
            if not self.answer.done():
                self.answer.set_result(answer)

    def ended(self, reason: str, *, refused: bool) -> None:
        """Retry if the answer may be lost; otherwise fail the claim."""
        self._connection = None
        if self._gone is not None:
            self._gone.set_result(None)
        elif self.answer.done():
            return
        elif self._shown and not refused:
            self._retry = self._loop.later(self._backoff.next(), self.open)
        else:
            error = NotAuthorized(reason) if refused else ConnectFailed(reason)
            self.answer.set_exception(error)

    def leave(self, gone: Future[None]) -> None:
        """Close the connection; `gone` is resolved once it is closed."""
        if self._retry is not None:
            self._retry.cancel()
        if self._connection is None:
            gone.set_result(None)
        else:
            self._gone = gone
            self._connection.drop()
