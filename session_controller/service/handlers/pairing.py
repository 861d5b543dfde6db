"""Claims: a device that is not enrolled shows a code and is granted a credential."""

from dataclasses import replace

from schemas.base import Role
from schemas.topics import ClaimTopic, GrantTopic
from schemas.wire.devices import PairingClaim, PairingGrant
from schemas.wire.parse import Unreadable
from schemas.wire.rejections import Rejection, RejectionCode
from session_controller.audit.events import CodeRefused, DevicePaired
from session_controller.security.codes import new_id, new_secret, secret_hash
from session_controller.service.handlers.desks import sign_out
from session_controller.service.handlers.sessions import CODE_REFUSED, join, session_of
from session_controller.service.registry import Granted
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import GUEST, Code, CodeKind, Device


def handle_claim(work: UnitOfWork, topic: ClaimTopic, claim: PairingClaim | Unreadable) -> None:
    """Answer a claim: a grant to the connection that showed a live code, else a refusal."""
    grant = GrantTopic(topic.client_id)
    if isinstance(claim, Unreadable):
        work.say(grant, Rejection(code=claim.code, message=claim.message))
        return
    before = _given_before(work, topic.client_id, claim.code)
    if before is not None:
        work.say(grant, before)
        return
    code = work.code(claim.code)
    granted = _grant(work, code, claim.name) if code else None
    if granted is None:
        refuse_claim(work, topic)
        if work.rate_limit.wrong(topic.client_id, work.steady_s):
            work.dropped[topic.client_id] = 0.0
        return
    work.rate_limit.right(topic.client_id)
    lifetime_s = work.registry.settings.code_lifetime.total_seconds()
    shown = work.registry.codes.hash_of(claim.code)
    work.granted[topic.client_id] = Granted(granted, shown, work.steady_s + lifetime_s)
    work.say(grant, granted)


def _given_before(work: UnitOfWork, client_id: str, shown: str) -> PairingGrant | None:
    """Find the grant that was lost on its way to this very connection, which shows its code again.

    A client id for pairing holds 128 random bits that nobody else knows, so a code still works
    once. A restart of the box forgets it.
    """
    given = work.granted.get(client_id) or work.registry.granted.get(client_id)
    if given is None or given.until_s <= work.steady_s:
        return None
    return given.grant if given.code_hash == work.registry.codes.hash_of(shown) else None


def refuse_claim(work: UnitOfWork, topic: ClaimTopic) -> None:
    """Refuse a claim with the one answer that wrong, spent and expired codes get."""
    work.note(CodeRefused(), device=topic.client_id)
    work.say(
        GrantTopic(topic.client_id),
        Rejection(code=RejectionCode.CODE_REFUSED, message=CODE_REFUSED.message),
    )


def _grant(work: UnitOfWork, code: Code, name: str | None) -> PairingGrant | None:
    if code.kind is CodeKind.DEVICE:
        return _enrol(work, code)
    return _let_in(work, code, name)


def _enrol(work: UnitOfWork, code: Code) -> PairingGrant | None:
    device = work.device(code.subject)
    if device is None or device.revoked_at is not None:
        return None
    if device.secret_sha256 is not None:  # it is paired again: its earlier secret ends here
        sign_out(work, device.device, "device_changed")
        work.dropped[device.device] = 0.0
    return _credential(work, code, device)


def _let_in(work: UnitOfWork, code: Code, name: str | None) -> PairingGrant | None:
    """Make a guest: a patient's screen whose credential ends with the session.

    What the phone calls itself may name a person: it is kept with the session, encrypted.
    """
    session = session_of(work, code)
    if session is None:
        return None
    guest = Device(
        device=new_id("guest"),
        name=GUEST,
        role=Role.PATIENT,
        enrolled_at=work.at,
        guest_of=code.subject,
    )
    granted = _credential(work, code, guest)
    join(work, session, guest, name)
    return granted


def _credential(work: UnitOfWork, code: Code, device: Device) -> PairingGrant:
    secret = new_secret()
    work.put_device(replace(device, secret_sha256=secret_hash(secret)))
    work.put_code(replace(code, spent_at=work.at))
    work.note(DevicePaired(subject=device.device, role=device.role), session=device.guest_of)
    return PairingGrant(
        device=device.device,
        role=device.role,
        secret=secret,
        site=work.registry.settings.site,
        session=code.subject if code.kind is CodeKind.SESSION else None,
    )
