"""Claims: a device that is not enrolled shows a code and is granted a credential.

Guessing: there are 20^8 codes. Below `_FREE_TRIES` wrong ones in ten minutes every claim is
answered at once; above, claims of the whole site are answered one every `_PAUSE_S` seconds, so
that in the ten minutes that a code lives some 210 can be tried: with a hundred live codes, the
chance to hit any is 210 * 100 / 20^8, below one in a million.
"""

from collections import deque
from dataclasses import dataclass, field, replace

from schemas.base import Role
from schemas.devices import PairingGrant
from schemas.reading import Unreadable, read_claim
from schemas.rejections import Rejection, RejectionCode
from schemas.topics import ClaimTopic, GrantTopic
from session_controller.codes import new_id, new_secret, secret_hash
from session_controller.joining import CODE_REFUSED, join, session_of
from session_controller.records import Code, CodeKind, Device
from session_controller.work import Work

_FREE_TRIES = 10
_PAUSE_S = 3.0
_WINDOW_S = 600.0
_WRONG_PER_CONNECTION = 5
_MAX_QUEUED = 20
"""Claims that wait while somebody is guessing: a minute; more are refused unread."""


@dataclass(slots=True)
class Guard:
    """Counts wrong codes, of the site and of each connection; in seconds of a steady clock."""

    wrong_at: deque[float] = field(default_factory=deque)
    by_client: dict[str, int] = field(default_factory=dict)
    next_free: float | None = None

    def wait_s(self, at: float) -> float | None:
        """Say how long a claim has to wait for its answer; None: refuse it unread."""
        while self.wrong_at and self.wrong_at[0] <= at - _WINDOW_S:
            self.wrong_at.popleft()
        if len(self.wrong_at) < _FREE_TRIES:
            self.next_free = None
            return 0.0
        turn = max(self.next_free or at, at)
        if turn - at > _MAX_QUEUED * _PAUSE_S:
            return None
        self.next_free = turn + _PAUSE_S
        return turn - at

    def wrong(self, client_id: str, at: float) -> bool:
        """Count a wrong code; tells whether the connection has to go."""
        self.wrong_at.append(at)
        if len(self.by_client) > 10 * _MAX_QUEUED:
            self.by_client.clear()
        count = self.by_client[client_id] = self.by_client.get(client_id, 0) + 1
        if count >= _WRONG_PER_CONNECTION:
            del self.by_client[client_id]
        return count >= _WRONG_PER_CONNECTION


def handle_claim(work: Work, guard: Guard, topic: ClaimTopic, payload: bytes) -> None:
    """Answer a claim: a grant to the connection that showed a live code, else a refusal."""
    claim = read_claim(payload)
    grant = GrantTopic(topic.client_id)
    work.excuse(grant)
    if isinstance(claim, Unreadable):
        work.say(grant, Rejection(code=claim.code, message=claim.message))
        return
    code = work.code(claim.code)
    granted = _grant(work, code, claim.name) if code else None
    if granted is None:
        refuse_claim(work, topic)
        if guard.wrong(topic.client_id, work.steady_s):
            work.dropped[topic.client_id] = 0.0
        return
    guard.by_client.pop(topic.client_id, None)
    work.say(grant, granted)


def refuse_claim(work: Work, topic: ClaimTopic) -> None:
    """Give the one answer that wrong, spent and expired codes get."""
    work.say(
        GrantTopic(topic.client_id),
        Rejection(code=RejectionCode.CODE_REFUSED, message=CODE_REFUSED.message),
    )


def _grant(work: Work, code: Code, name: str | None) -> PairingGrant | None:
    if code.kind is CodeKind.DEVICE:
        return _enrol(work, code)
    return _let_in(work, code, name)


def _enrol(work: Work, code: Code) -> PairingGrant | None:
    device = work.device(code.subject)
    if device is None or device.revoked_at is not None:
        return None
    return _credential(work, code, device)


def _let_in(work: Work, code: Code, name: str | None) -> PairingGrant | None:
    """Make a guest: a patient's screen whose credential ends with the session."""
    session = session_of(work, code)
    if session is None:
        return None
    guest = Device(
        device=new_id("guest"),
        name=name or "guest",
        role=Role.PATIENT,
        enrolled_at=work.at,
        guest_of=code.subject,
    )
    granted = _credential(work, code, guest)
    join(work, session, guest)
    return granted


def _credential(work: Work, code: Code, device: Device) -> PairingGrant:
    secret = new_secret()
    work.put_device(replace(device, secret_sha256=secret_hash(secret)))
    work.put_code(replace(code, spent_at=work.at))
    return PairingGrant(
        device=device.device,
        role=device.role,
        secret=secret,
        site=work.world.settings.site,
        session=code.subject if code.kind is CodeKind.SESSION else None,
    )
