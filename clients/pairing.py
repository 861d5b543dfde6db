"""Pairing: a device that is not enrolled shows a code and is given its credential."""

import secrets
import ssl
from concurrent.futures import Future

from pydantic import TypeAdapter

from clients.address import Address
from clients.connection import Connection, Login, Message
from clients.credential import Credential
from clients.errors import ConnectFailed, NotAuthorized, TimedOut, request_refused
from clients.loop import NetworkLoop
from schemas import topics
from schemas.access import PAIRING_PREFIX, PAIRING_USER
from schemas.devices import PairingClaim, PairingGrant
from schemas.rejections import Rejection
from schemas.topics import ClaimTopic, GrantTopic

_REPLY: TypeAdapter[PairingGrant | Rejection] = TypeAdapter(PairingGrant | Rejection)


def pair(
    url: str,
    code: str,
    *,
    name: str | None = None,
    site: str = "main",
    timeout: float = 10.0,
    tls: ssl.SSLContext | None = None,
) -> Credential:
    """Show a code, once, and give the credential for it; the caller keeps it (`save`).

    Raises CodeRefused for a code that is wrong, spent or expired, ConnectFailed where the box
    cannot be reached, TimedOut where it does not answer.
    """
    loop = NetworkLoop("handrail-pairing")
    claim = _Claim(loop, Address.parse(url), PairingClaim(code=code, name=name), site, tls)
    loop.run(claim.connection.open)
    try:
        answer = claim.answer.result(timeout)
    except TimedOut:
        raise
    except TimeoutError:
        raise TimedOut(f"no answer to the code within {timeout} s") from None
    finally:
        gone: Future[None] = Future()
        loop.run(claim.leave, gone)
        gone.result(timeout)
        loop.stop()
    if isinstance(answer, Rejection):
        raise request_refused(answer)
    return Credential.from_grant(answer)


class _Claim:
    """One connection of a device without a name, from its claim to the answer."""

    def __init__(
        self,
        loop: NetworkLoop,
        address: Address,
        claim: PairingClaim,
        site: str,
        tls: ssl.SSLContext | None,
    ) -> None:
        self.answer: Future[PairingGrant | Rejection] = Future()
        self._claim = claim
        self._site = site
        self._client_id = PAIRING_PREFIX + secrets.token_hex(16)
        self._gone: Future[None] | None = None
        self._over = False
        self.connection = Connection(
            loop,
            address,
            Login(self._client_id, PAIRING_USER),
            self,
            filters=(GrantTopic(self._client_id).under(site),),
            will=None,
            keepalive=30,
            tls=tls,
        )

    def opened(self) -> None:
        """Show the code."""
        topic = ClaimTopic(self._client_id).under(self._site)
        self.connection.publish(Message(topic, self._claim.to_json()))

    def received(self, message: Message) -> None:
        """Take the grant or the refusal."""
        if isinstance(topics.parse(self._site, message.topic), GrantTopic):
            answer = _REPLY.validate_json(message.payload)
            if not self.answer.done():
                self.answer.set_result(answer)

    def ended(self, reason: str, *, refused: bool) -> None:
        """Tell who waits."""
        self._over = True
        if not self.answer.done():
            self.answer.set_exception(NotAuthorized(reason) if refused else ConnectFailed(reason))
        if self._gone is not None:
            self._gone.set_result(None)

    def leave(self, gone: Future[None]) -> None:
        """Close the connection; `gone` is set when it is."""
        if self._over:
            gone.set_result(None)
        else:
            self._gone = gone
            self.connection.drop()
