"""Enrolling and revoking devices: by a secret at once, or by a code that the device shows."""

import re
import secrets
from collections.abc import Iterable
from dataclasses import replace

from schemas.topics import AssignmentTopic, LobbyTopic, PresenceTopic
from schemas.wire import requests as r
from schemas.wire.devices import show_code
from schemas.wire.rejections import RejectionCode
from session_controller.audit.events import DeviceEnrolled, DeviceRevoked
from session_controller.engine.events import DeviceLeft
from session_controller.engine.limits import Limit
from session_controller.engine.refusal import Refusal
from session_controller.security.codes import new_secret, secret_hash
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Code, CodeKind, Device
from session_controller.storage.store import Store

_RESERVED = re.compile(r"admin(-.*)?|controller(-.*)?|pairing(-.*)?|guest(-.*)?")
_SERIAL = 1
"""A device is enrolled by one code only; who lost it enrols anew."""


def enrol_device(
    work: UnitOfWork, _: Store, sender: Device, request: r.EnrolDevice
) -> r.Answer | Refusal:
    """Enrol a device under a name that IT gives."""
    limit = work.registry.settings.max_devices
    if may_connect(work.registry.devices.values()) >= limit:
        return Refusal(
            RejectionCode.TOO_MANY,
            "Too many devices are enrolled on this box.",
            {"limit": limit},
            Limit.DEVICES,
        )
    device = Device(
        device=_free_name(work, request.name),
        name=request.name,
        role=request.role,
        enrolled_at=work.at,
    )
    work.put_device(device)
    act = DeviceEnrolled(subject=device.device, role=device.role, by=request.by)
    work.note(act, device=sender.device)
    if request.by == "code":
        code_hash = work.registry.codes.hash_of(_code(work, device.device))
        expires_at = work.at + work.registry.settings.code_lifetime
        work.put_code(Code(code_hash, CodeKind.DEVICE, device.device, expires_at))
    bare = r.DeviceEnrolled(
        request_id=request.request_id,
        device=device.device,
        role=device.role,
        site=work.registry.settings.site,
    )
    if request.by == "code":
        bare = bare.model_copy(
            update={"code_expires_at": work.at + work.registry.settings.code_lifetime}
        )
    return with_credential(work, bare)


def may_connect(devices: Iterable[Device]) -> int:
    """Count who may connect: guests that left and revoked devices must not fill a box up."""
    return sum(device.revoked_at is None for device in devices)


def _code(work: UnitOfWork, device: str) -> str:
    return work.registry.codes.code_of(device, _SERIAL)


def with_credential(work: UnitOfWork, enrolled: r.DeviceEnrolled) -> r.DeviceEnrolled:
    """Add the code or the secret, which no answer that is stored may hold.

    Asked again after a restart, a secret is made anew: only the hash of the first is stored.
    """
    if enrolled.code_expires_at is not None:
        return enrolled.model_copy(update={"code": show_code(_code(work, enrolled.device))})
    device = work.device(enrolled.device)
    if device is None or device.revoked_at is not None:
        return enrolled
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


def revoke_device(
    work: UnitOfWork, _: Store, sender: Device, request: r.RevokeDevice
) -> r.Answer | Refusal:
    """End a device's credential: it is disconnected, and leaves its sessions."""
    device = work.device(request.device)
    if device is None:
        return Refusal(RejectionCode.NOT_A_PARTICIPANT, "There is no such device.")
    if device.revoked_at is None:
        revoke(work, device)
        work.note(DeviceRevoked(subject=device.device), device=sender.device)
    return r.DeviceRevoked(request_id=request.request_id, device=request.device)


def revoke(work: UnitOfWork, device: Device) -> None:
    """Put a device out, and clear what is retained for it."""
    for session in work.sessions_of(device.device):
        if not session.state.status.ended:
            work.record(session, DeviceLeft(device=device.device))
    work.put_device(replace(device, revoked_at=work.at, online=False))
    for topic in (AssignmentTopic, LobbyTopic, PresenceTopic):
        work.said.append((topic(device.device), None))
    work.dropped[device.device] = 0.0


def list_devices(
    work: UnitOfWork, _: Store, __: Device, request: r.ListDevices
) -> r.Answer | Refusal:
    """List all devices, the revoked too."""
    lines = [
        r.DeviceLine(
            device=d.device,
            name=_name(work, d),
            role=d.role,
            enrolled_at=d.enrolled_at,
            guest=d.guest_of is not None,
            revoked=d.revoked_at is not None,
            online=d.online,
        )
        for d in sorted(work.registry.devices.values(), key=lambda d: d.enrolled_at)
    ]
    return r.Devices(request_id=request.request_id, devices=tuple(lines))


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
        )
        for kiosk in sorted(work.registry.kiosks(), key=lambda kiosk: kiosk.device)
    ]
    return r.Kiosks(request_id=request.request_id, kiosks=tuple(lines))
