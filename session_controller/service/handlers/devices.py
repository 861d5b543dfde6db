"""Enrolling devices, by a secret or a code, changing them, and revoking them."""

import re
import secrets
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Literal, TypeVar

from schemas.base import Role
from schemas.topics import AssignmentTopic, LobbyTopic, PresenceTopic
from schemas.wire import requests as r
from schemas.wire.devices import show_code
from schemas.wire.rejections import RejectionCode
from session_controller.audit.events import DeviceChanged, DeviceEnrolled, DeviceRevoked
from session_controller.engine.events import DeviceLeft
from session_controller.engine.limits import Limit
from session_controller.engine.refusal import Refusal
from session_controller.security.codes import new_id, new_secret, secret_hash
from session_controller.service.handlers.desks import sign_out
from session_controller.service.handlers.presence import seen_at
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Code, CodeKind, Device
from session_controller.storage.store import Store

_Enrolled = TypeVar("_Enrolled", bound=r.EnrolledDevice)
_RESERVED = re.compile(r"(admin|controller|pairing|guest|rehearsal)(-.*)?")
_UNKNOWN = Refusal(RejectionCode.NOT_A_PARTICIPANT, "There is no such device.")
_NO_SCREEN = Refusal(
    RejectionCode.NOT_ALLOWED_FOR_ROLE,
    "Guests and the command line's own devices cannot be changed.",
)
_RETIRED = Refusal(
    RejectionCode.UNAVAILABLE, "This device is retired; enroll it under another name."
)


def enrol_device(
    work: UnitOfWork, _: Store, sender: Device, request: r.EnrolDevice
) -> r.Answer | Refusal:
    """Enroll a device under a name that IT assigns."""
    if refusal := _no_more(work, 1):
        return refusal
    new = r.NewDevice(name=request.name, role=request.role, room=request.room)
    rehearses = bool(request.test)
    enrolled = _enrol(work, sender, new, request.by, rehearses=rehearses)
    return r.DeviceEnrolled(request_id=request.request_id, **vars(enrolled))


def enrol_devices(
    work: UnitOfWork, _: Store, sender: Device, request: r.EnrolDevices
) -> r.Answer | Refusal:
    """Enroll several devices, or none of them."""
    if refusal := _no_more(work, len(request.devices)):
        return refusal
    if taken := _taken_names(work, request.devices):
        return Refusal(
            RejectionCode.MALFORMED,
            "Each device must have a name that no other enrolled device has.",
            {"names": [*taken]},
        )
    enrolled = tuple(_enrol(work, sender, new, request.by) for new in request.devices)
    return r.DevicesEnrolled(request_id=request.request_id, devices=enrolled)


def _no_more(work: UnitOfWork, count: int) -> Refusal | None:
    """Refuse more devices than a box may have: guests that left and revoked ones do not count."""
    limit = work.registry.settings.max_devices
    if may_connect(work.registry.devices.values()) + count <= limit:
        return None
    return Refusal(
        RejectionCode.TOO_MANY,
        "Too many devices are enrolled on this box.",
        {"limit": limit},
        Limit.DEVICES,
    )


def _taken_names(work: UnitOfWork, devices: Sequence[r.NewDevice]) -> list[str]:
    """Return the names that an enrolled device or another one of these has."""
    known = Counter(
        d.name.casefold()
        for d in work.registry.devices.values()
        if d.revoked_at is None and d.guest_of is None
    )
    known.update(new.name.casefold() for new in devices)
    return list(dict.fromkeys(new.name for new in devices if known[new.name.casefold()] > 1))


def _enrol(
    work: UnitOfWork,
    sender: Device,
    new: r.NewDevice,
    by: r.CredentialKind,
    *,
    rehearses: bool = False,
) -> r.EnrolledDevice:
    device = Device(
        device=new_id(r.REHEARSAL[:-1]) if rehearses else _free_name(work, new.name),
        name=new.name,
        role=new.role,
        room=new.room,
        enrolled_at=work.at,
    )
    work.note(DeviceEnrolled(subject=device.device, role=device.role, by=by), device=sender.device)
    return _with_new_credential(work, device, by)


def _with_new_credential(
    work: UnitOfWork, device: Device, by: r.CredentialKind
) -> r.EnrolledDevice:
    """Keep a device with a new secret or a new code, and return it with that."""
    if by == "secret":
        secret = work.fresh_secrets[device.device] = new_secret()
        work.put_device(replace(device, secret_sha256=secret_hash(secret)))
        expires_at = None
    else:
        expires_at = work.at + work.registry.settings.code_lifetime
        work.put_device(device)
        code_hash = work.registry.codes.hash_of(_code(work, device))
        work.put_code(Code(code_hash, CodeKind.DEVICE, device.device, expires_at))
    bare = r.EnrolledDevice(
        device=device.device,
        role=device.role,
        site=work.registry.settings.site,
        code_expires_at=expires_at,
    )
    return _with_credential(work, bare)


def may_connect(devices: Iterable[Device]) -> int:
    """Count who may connect: guests that left and revoked devices must not fill a box up."""
    return sum(device.revoked_at is None for device in devices)


def _code(work: UnitOfWork, device: Device) -> str:
    return work.registry.codes.code_of(device.device, device.code_serial)


def without_credentials(answer: r.Answer) -> r.Answer:
    """Return an answer without codes and secrets, as it may be stored."""
    match answer:
        case r.DeviceEnrolled():
            return _bare(answer)
        case r.DevicesEnrolled():
            return answer.model_copy(update={"devices": tuple(map(_bare, answer.devices))})
    return answer


def with_credentials(work: UnitOfWork, answer: r.Answer) -> r.Answer:
    """Return a stored answer with the codes and secrets that it does not contain."""
    match answer:
        case r.DeviceEnrolled():
            return _with_credential(work, answer)
        case r.DevicesEnrolled():
            whole = tuple(_with_credential(work, one) for one in answer.devices)
            return answer.model_copy(update={"devices": whole})
    return answer


def _bare(enrolled: _Enrolled) -> _Enrolled:
    return enrolled.model_copy(update={"secret": None, "code": None})


def _with_credential(work: UnitOfWork, enrolled: _Enrolled) -> _Enrolled:
    """Add the code or the secret, which no answer that is stored may hold.

    Asked again after a restart, a secret is made anew: only the hash of the first is stored.
    """
    device = work.device(enrolled.device)
    if device is None or device.revoked_at is not None:
        return enrolled
    if enrolled.code_expires_at is not None:
        return enrolled.model_copy(update={"code": show_code(_code(work, device))})
    secret = work.fresh_secret(device.device)
    if secret is None:
        secret = work.fresh_secrets[device.device] = new_secret()
        work.put_device(replace(device, secret_sha256=secret_hash(secret)))
    return enrolled.model_copy(update={"secret": secret})


def _free_name(work: UnitOfWork, name: str) -> str:
    """Return a device id that was never used: what was sent to it must reach nobody else."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48] or "device"
    if _RESERVED.fullmatch(slug):
        slug = f"device-{slug}"
    while work.device(slug) is not None:
        slug = f"{slug[:55]}-{secrets.token_hex(2)}"
    return slug


def _screen(work: UnitOfWork, name: str) -> Device | Refusal:
    """Return an enrolled screen, also a revoked one."""
    device = work.device(name)
    if device is None:
        return _UNKNOWN
    return _NO_SCREEN if device.role is Role.ADMIN or device.guest_of is not None else device


def reenrol_device(
    work: UnitOfWork, _: Store, sender: Device, request: r.ReenrolDevice
) -> r.Answer | Refusal:
    """Issue a device's next code, or replace its secret at once; its id and name stay."""
    device = _screen(work, request.device)
    if isinstance(device, Refusal):
        return device
    if device.retired_at is not None:
        return _RETIRED
    if device.revoked_at is not None:
        if refusal := _no_more(work, 1):
            return refusal
        device = replace(device, revoked_at=None, secret_sha256=None)
    work.close_code(device.device, device.code_serial)
    again = replace(device, code_serial=device.code_serial + 1)
    enrolled = _with_new_credential(work, again, request.by)
    if request.by == "secret":
        sign_out(work, device.device, "device_changed")
        work.dropped[device.device] = 0.0
    change: Literal["code", "replaced"] = "code" if request.by == "code" else "replaced"
    work.note(DeviceChanged(subject=device.device, change=change), device=sender.device)
    return r.DeviceEnrolled(request_id=request.request_id, **vars(enrolled))


def change_device(
    work: UnitOfWork, _: Store, sender: Device, request: r.ChangeDevice
) -> r.Answer | Refusal:
    """Rename a device, or note that it is in another room."""
    device = _screen(work, request.device)
    if isinstance(device, Refusal):
        return device
    name = request.name or device.name
    room = device.room if request.room is None else request.room or None
    if name != device.name:
        work.note(DeviceChanged(subject=device.device, change="renamed"), device=sender.device)
    if room != device.room:
        work.note(DeviceChanged(subject=device.device, change="moved"), device=sender.device)
    work.put_device(replace(device, name=name, room=room))
    return r.DeviceChanged(
        request_id=request.request_id, device=device.device, name=name, room=room
    )


def revoke_device(
    work: UnitOfWork, _: Store, sender: Device, request: r.RevokeDevice
) -> r.Answer | Refusal:
    """End a device's credential: it is disconnected, and leaves its sessions."""
    device = _screen(work, request.device) if request.retire else work.device(request.device)
    if isinstance(device, Refusal) or device is None:
        return device or _UNKNOWN
    if device.revoked_at is None:
        revoke(work, device)
        work.note(DeviceRevoked(subject=device.device), device=sender.device)
    if device.device.startswith(r.REHEARSAL):
        work.forget_device(device.device)
        return r.DeviceRevoked(request_id=request.request_id, device=request.device)
    if request.retire and device.retired_at is None:
        work.put_device(replace(work.device(device.device) or device, retired_at=work.at))
        work.note(DeviceChanged(subject=device.device, change="retired"), device=sender.device)
    return r.DeviceRevoked(request_id=request.request_id, device=request.device)


def revoke(work: UnitOfWork, device: Device) -> None:
    """Remove a device from its sessions, and clear what is retained for it."""
    for session in work.sessions_of(device.device):
        if not session.state.status.ended:
            work.record(session, DeviceLeft(device=device.device))
    sign_out(work, device.device, "device_changed")
    work.put_device(replace(device, revoked_at=work.at, online=False))
    for topic in (AssignmentTopic, LobbyTopic, PresenceTopic):
        work.said.append((topic(device.device), None))
    work.dropped[device.device] = 0.0


def list_devices(
    work: UnitOfWork, _: Store, __: Device, request: r.ListDevices
) -> r.Answer | Refusal:
    """List all devices, including revoked ones."""
    lines = [
        r.DeviceLine(
            device=d.device,
            name=_name(work, d),
            role=d.role,
            enrolled_at=d.enrolled_at,
            guest=d.guest_of is not None,
            revoked=d.revoked_at is not None,
            online=d.online,
            retired=d.retired_at is not None,
            room=d.room,
            last_seen=seen_at(work, d),
            address=d.address,
            software=d.software,
            sessions=_open_sessions(work, d),
        )
        for d in sorted(work.registry.devices.values(), key=lambda d: d.enrolled_at)
    ]
    return r.Devices(request_id=request.request_id, devices=tuple(lines))


def _open_sessions(work: UnitOfWork, device: Device) -> tuple[str, ...]:
    states = (session.state for session in work.sessions_of(device.device))
    return tuple(state.session for state in states if not state.status.ended)


def _name(work: UnitOfWork, device: Device) -> str:
    """Return a device's name; of a guest what its phone calls itself, while its session is live."""
    session = work.session(device.guest_of) if device.guest_of else None
    guest = session.state.participants.get(device.device) if session else None
    return (guest.name if guest else None) or device.name


def list_kiosks(
    work: UnitOfWork, _: Store, __: Device, request: r.ListKiosks
) -> r.Answer | Refusal:
    """List the patient's screens that staff can send a session to."""
    lines = [
        r.KioskLine(
            device=kiosk.device,
            name=kiosk.name,
            online=kiosk.online,
            session=work.assigned_to(kiosk.device),
            room=kiosk.room,
        )
        for kiosk in sorted(work.registry.kiosks(), key=lambda kiosk: kiosk.device)
    ]
    return r.Kiosks(request_id=request.request_id, kiosks=tuple(lines))
