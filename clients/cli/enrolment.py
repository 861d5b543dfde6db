"""Enrolling one screen or a file of them: what is printed, and the sheet of QR codes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from clients.cli.context import FAILED, USAGE, Failure
from clients.cli.enrolment_file import taken
from clients.cli.output import echo, moment, plain, print_facts, print_json, print_table, say
from clients.cli.pairing_page import link_of, qr_text, sheet_of
from clients.sdk.admin import AdminClient
from clients.sdk.errors import RequestRefused
from clients.sdk.files import write_private
from schemas.wire.requests import CredentialKind, EnrolledDevice, NewDevice


def print_enrolled(enrolled: EnrolledDevice, address: str | None, *, as_json: bool) -> None:
    """Print the credential of a device; a code with its link and QR code, if `address` is known."""
    if as_json:
        print_json(_plain(enrolled, address))
        return
    facts = {"device": enrolled.device, "role": enrolled.role, "site": enrolled.site}
    if enrolled.code is None:
        print_facts(facts | {"secret": enrolled.secret or ""})
        return
    facts |= {"code": enrolled.code, "until": moment(enrolled.code_expires_at)}
    if address is None:
        print_facts(facts)
        say("For a link and a QR code, name the address that screens open with --url.")
        return
    link = link_of(address, enrolled)
    print_facts(facts | {"link": link})
    echo("\n" + qr_text(link))


def _plain(enrolled: EnrolledDevice, address: str | None) -> dict[str, Any]:
    found: dict[str, Any] = plain(enrolled)
    return found | ({"link": link_of(address, enrolled)} if enrolled.code and address else {})


def check_sheet(sheet: Path | None, address: str | None) -> None:
    """Check before anything is enrolled that a sheet can be written. Raises `Failure`."""
    if sheet is None:
        return
    if address is None:
        raise Failure(
            "--sheet requires --url, the address that screens open: this box does not know it",
            USAGE,
        )
    if not sheet.parent.is_dir():
        raise Failure(f"cannot write {sheet}: {sheet.parent} is not a folder", USAGE)


def enrol_all(
    admin: AdminClient,
    file: Path,
    devices: Mapping[int, NewDevice],
    sheet: Path | None,
    address: str | None,
    *,
    by: CredentialKind,
    as_json: bool,
) -> None:
    """Enroll all devices of a CSV file, or none; print their credentials and write the sheet."""
    try:
        enrolled = admin.enrol_devices(devices.values(), by)
    except RequestRefused as error:
        names = error.rejection.details.get("names")
        if not isinstance(names, list):
            raise
        raise Failure(taken(file, devices, names), FAILED) from None
    if as_json:
        print_json([_plain(one, address) for one in enrolled])
    else:
        _print_all(list(devices.values()), enrolled)
    if sheet is not None and address is not None:
        write_sheet(sheet, sheet_of(address, zip(devices.values(), enrolled, strict=True)))


def _print_all(devices: Sequence[NewDevice], enrolled: Sequence[EnrolledDevice]) -> None:
    rows = [
        (one.device, new.name, one.role, one.code or one.secret or "", moment(one.code_expires_at))
        for new, one in zip(devices, enrolled, strict=True)
    ]
    credential = "code" if enrolled[0].code else "secret"
    print_table(("device", "name", "role", credential, "until"), rows, "", prose=("name",))


def write_sheet(path: Path, page: str) -> None:
    """Write a page with codes, for its owner only. Raises `Failure`."""
    try:
        write_private(path, page.encode())
    except OSError as error:
        raise Failure(
            f"the devices are enrolled, but {path} could not be written: {error.strerror}"
        ) from None
    say(f"wrote {path}; print it, and delete it")
