"""Links and QR codes for pairing: in the terminal, and as a sheet to print."""

from collections.abc import Iterable
from html import escape
from io import StringIO

from clients.cli.context import USAGE, Failure
from clients.cli.output import moment
from schemas.base import Role
from schemas.wire.requests import EnrolledDevice, NewDevice

_PAGES = {Role.FACILITY: "facility", Role.PATIENT: "patient"}
_ROLES = {Role.FACILITY: "Front-desk screen", Role.PATIENT: "Patient screen"}


def pages_address(url: str | None, box: str | None) -> str | None:
    """Return the address of the pages without a slash at its end, or None if it is not known.

    `box` is what the box says of itself.
    """
    if url is None:
        return box
    if not url.startswith(("http://", "https://")) or any(sign in url for sign in "#? \n"):
        raise Failure("--url must be an address such as https://box.example", USAGE)
    return url.rstrip("/")


def link_of(address: str, enrolled: EnrolledDevice) -> str:
    """Return the link that pairs a device."""
    return f"{address}/{_PAGES[enrolled.role]}#code={enrolled.code}"


def qr_text(link: str) -> str:
    """Return a QR code as text of block characters."""
    import segno

    text = StringIO()
    segno.make(link, error="l", micro=False).terminal(out=text, compact=True, border=2)
    return text.getvalue()


def sheet_of(address: str, devices: Iterable[tuple[NewDevice, EnrolledDevice]]) -> str:
    """Return an HTML page to print: a QR code, name, room and code for each device."""
    return _SHEET.format(cards="\n".join(_card(address, *each) for each in devices))


def _card(address: str, new: NewDevice, enrolled: EnrolledDevice) -> str:
    import segno

    link = link_of(address, enrolled)
    code = segno.make(link, error="m", micro=False).svg_inline(scale=4, border=4)
    room = f"<p>{escape(new.room)}</p>" if new.room else ""
    return (
        f"<article>{code}<h2>{escape(new.name)}</h2>{room}<p>{_ROLES[new.role]}</p>"
        f"<p class='code'>{enrolled.code}</p><p class='link'>{escape(link)}</p>"
        f"<p>Works once, until {moment(enrolled.code_expires_at)}</p></article>"
    )


_SHEET = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Pairing codes</title>
<style>
body {{ font-family: sans-serif; display: grid; grid-template-columns: repeat(2, 1fr); gap: 1rem }}
article {{ border: 1px solid #000; padding: 1rem; text-align: center; break-inside: avoid }}
h2 {{ margin: 0.5rem 0 }}
p {{ margin: 0.25rem 0 }}
.code {{ font: bold 1.5rem monospace }}
.link {{ font-size: 0.75rem; overflow-wrap: anywhere }}
</style>
{cards}
</html>
"""
