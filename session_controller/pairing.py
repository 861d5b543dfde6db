"""Claims: a device that is not enrolled shows a code and is granted a credential."""

from dataclasses import replace

from schemas.base import Role
from schemas.devices import PairingGrant
from schemas.reading import Unreadable, read_claim
from schemas.rejections import Rejection, RejectionCode
from schemas.topics import ClaimTopic, GrantTopic
from session_controller.acts import CodeRefused, DevicePaired
from session_controller.codes import new_id, new_secret, secret_hash
from session_controller.joining import CODE_REFUSED, join, session_of
from session_controller.records import Code, CodeKind, Device
from session_controller.work import Work
from session_controller.world import Granted


def handle_claim(work: Work, topic: ClaimTopic, payload: bytes) -> None:
    """Answer a claim: a grant to the connection that showed a live code, else a refusal."""
    claim = read_claim(payload)
    grant = GrantTopic(topic.client_id)
    work.excuse(grant)
    if isinstance(claim, Unreadable):
        work.say(grant, Rejection(code=claim.code, message=claim.message))
        return
    guard = work.world.guard
    before = _given_before(work, topic.client_id, claim.code)
    if before is not None:
        work.say(grant, before)
        return
    code = work.code(claim.code)
    granted = _grant(work, code, claim.name) if code else None
    if granted is None:
        refuse_claim(work, topic)
        if guard.wrong(topic.client_id, work.steady_s):
            work.dropped[topic.client_id] = 0.0
        return
    guard.by_client.pop(topic.client_id, None)
    lifetime_s = work.world.settings.code_lifetime.total_seconds()
    shown = work.world.codes.hash_of(claim.code)
    work.granted[topic.client_id] = Granted(granted, shown, work.steady_s + lifetime_s)
    work.say(grant, granted)


def _given_before(work: Work, client_id: str, shown: str) -> PairingGrant | None:
    """Find the grant that was lost on its way to this very connection, which shows its code again.

    A client id for pairing holds 128 random bits that nobody else knows, so a code still works
    once. A restart of the box forgets it.
    """
    given = work.granted.get(client_id) or work.world.granted.get(client_id)
    if given is None or given.until_s <= work.steady_s:
        return None
    return given.grant if given.code_hash == work.world.codes.hash_of(shown) else None


def refuse_claim(work: Work, topic: ClaimTopic) -> None:
    """Give the one answer that wrong, spent and expired codes get."""
    work.note(CodeRefused(), device=topic.client_id)
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
    work.note(DevicePaired(subject=device.device, role=device.role), session=device.guest_of)
    return PairingGrant(
        device=device.device,
        role=device.role,
        secret=secret,
        site=work.world.settings.site,
        session=code.subject if code.kind is CodeKind.SESSION else None,
    )
