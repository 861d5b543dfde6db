"""Enrolling and revoking devices: by a secret at once, or by a code that the device shows."""

import re
import secrets
from dataclasses import replace

from schemas import requests as r
from schemas.devices import show_code
from schemas.rejections import RejectionCode
from schemas.topics import AssignmentTopic, LobbyTopic, PresenceTopic
from session_controller.acts import DeviceEnrolled, DeviceRevoked
from session_controller.codes import new_secret, secret_hash
from session_controller.engine.facts import DeviceLeft
from session_controller.engine.refusal import Refusal
from session_controller.records import Code, CodeKind, Device
from session_controller.store import Store
from session_controller.work import Work

_RESERVED = re.compile(r"admin(-.*)?|controller(-.*)?|pairing(-.*)?|guest(-.*)?")
_SERIAL = 1
"""A device is enrolled by one code only; who lost it enrols anew."""


def enrol_device(
    work: Work, _: Store, sender: Device, request: r.EnrolDevice
) -> r.Answer | Refusal:
    """Enrol a device under a name that IT gives."""
    limit = work.world.settings.max_devices
    if _enrolled(work) >= limit:
        return Refusal(
            RejectionCode.TOO_MANY, "Too many devices are enrolled on this box.", {"limit": limit}
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
        code_hash = work.world.codes.hash_of(_code(work, device.device))
        expires_at = work.at + work.world.settings.code_lifetime
        work.put_code(Code(code_hash, CodeKind.DEVICE, device.device, expires_at))
    bare = r.DeviceEnrolled(
        request_id=request.request_id,
        device=device.device,
        role=device.role,
        site=work.world.settings.site,
    )
    if request.by == "code":
        bare = bare.model_copy(
            update={"code_expires_at": work.at + work.world.settings.code_lifetime}
        )
    return with_credential(work, bare)


def _enrolled(work: Work) -> int:
    """Count who may connect: guests that left and revoked devices must not fill a box up."""
    return sum(d.revoked_at is None for d in work.world.devices.values())


def _code(work: Work, device: str) -> str:
    return work.world.codes.code_of(device, _SERIAL)


def with_credential(work: Work, enrolled: r.DeviceEnrolled) -> r.DeviceEnrolled:
    """Add the code or the secret, which no answer that is stored may hold.

    Asked again after a restart, a secret is made anew: only the hash of the first is stored.
    """
    if enrolled.code_expires_at is not None:
        return enrolled.model_copy(update={"code": show_code(_code(work, enrolled.device))})
    device = work.device(enrolled.device)
    if device is None or device.revoked_at is not None:
        return enrolled
    secret = work.world.fresh_secrets.get(device.device)
    if secret is None:
        secret = work.world.fresh_secrets[device.device] = new_secret()
        work.put_device(replace(device, secret_sha256=secret_hash(secret)))
    return enrolled.model_copy(update={"secret": secret})


def _free_name(work: Work, name: str) -> str:
    """Give a device id that nobody has or had: what it was sent must reach nobody else."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:48] or "device"
    if _RESERVED.fullmatch(slug):
        slug = f"device-{slug}"
    while work.device(slug) is not None:
        slug = f"{slug[:55]}-{secrets.token_hex(2)}"
    return slug


def revoke_device(
    work: Work, _: Store, sender: Device, request: r.RevokeDevice
) -> r.Answer | Refusal:
    """End a device's credential: it is disconnected, and leaves its sessions."""
    device = work.device(request.device)
    if device is None:
        return Refusal(RejectionCode.NOT_A_PARTICIPANT, "There is no such device.")
    if device.revoked_at is None:
        revoke(work, device)
        work.note(DeviceRevoked(subject=device.device), device=sender.device)
    return r.DeviceRevoked(request_id=request.request_id, device=request.device)


def revoke(work: Work, device: Device) -> None:
    """Put a device out, and clear what is retained for it."""
    for session in work.sessions_of(device.device):
        if not session.state.status.ended:
            work.record(session, DeviceLeft(device=device.device))
    work.put_device(replace(device, revoked_at=work.at, online=False))
    for topic in (AssignmentTopic, LobbyTopic, PresenceTopic):
        work.said.append((topic(device.device), None))
    work.dropped[device.device] = 0.0
