"""Checks of the OpenID Connect provider with which staff sign in.

None is critical: the PIN works without the provider.
"""

import asyncio
import json
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from session_controller.data_folder import BOX_FILE
from session_controller.delivery.causes import cause_of
from session_controller.delivery.outcomes import Reason
from session_controller.openid.refused import Cause, Refused
from session_controller.openid.settings import DISCOVERY, OpenIdSettings
from session_controller.preflight.finding import Finding, ok, warning
from session_controller.preflight.subject import Subject

_CHECK = "sign-in-provider"
_MOST_APART_S = 60.0
"""Half of what an ID token's times may differ."""
_REACHED = {
    "issuer": "its discovery document names another issuer",
    "endpoints": "its discovery document lacks an endpoint, or names one without https",
    "discovery": "there is no discovery document at the issuer",
    "answer": "its answer is not valid, or too long",
    Reason.REDIRECTED: "it refers to another address, which is not followed",
    "ca_file": "the CA certificates for it cannot be read",
}
_CHECKED = "then: handrail config check"
_MEND = f"correct [oidc] in the configuration, {_CHECKED}"
_REASONS = frozenset(Reason)


def provider_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what keeps staff from signing in with the provider; nothing if there is none."""
    settings = subject.start.openid
    if settings is None:
        return
    found = [*_secret(settings), *_weak(subject, settings), *_reached(subject, settings)]
    text = f"staff can sign in with {settings.issuer}"
    yield from found or [ok(_CHECK, text)]


def _secret(settings: OpenIdSettings) -> Iterator[Finding]:
    # Imported here, with aiohttp: only a box that has a provider loads it.
    from session_controller.openid.provider import read_secret  # noqa: PLC0415

    file = settings.secret_file
    if file is None:
        return
    try:
        read_secret(settings)
        too_open = file.stat().st_mode & stat.S_IROTH
    except (OSError, ValueError):
        text = f"the client's secret for the sign-in provider, {file}, cannot be read"
        yield warning(_CHECK, text, f"write it to {file}; chmod 640 {file}")
        return
    if too_open:
        text = f"every user of this machine can read the client's secret, {file}"
        yield warning(_CHECK, text, f"chmod o= {file}")


def _weak(subject: Subject, settings: OpenIdSettings) -> Iterator[Finding]:
    if not settings.reauthenticate:
        text = "at a shared screen, the next person may be signed in as the last one"
        yield warning(_CHECK, text, f"reauthenticate = true in [oidc], {_CHECKED}")
    if settings.page is None and subject.running:
        try:
            pages = json.loads((subject.data / BOX_FILE).read_text()).get("pages")
        except (OSError, ValueError, AttributeError):
            return
        if pages is None:
            text = "the sign-in provider has no address to return to: the box has no name"
            yield warning(_CHECK, text, f"`page` in [oidc], or `host` in [site], {_CHECKED}")


def _reached(subject: Subject, settings: OpenIdSettings) -> Iterator[Finding]:
    reached = asyncio.run(_reach(settings))
    if isinstance(reached, Refused):
        what = _what(reached)
        text = f"staff cannot sign in with {settings.issuer}, only with a PIN: {what}"
        yield warning(_CHECK, text, _mend(settings, reached))
        return
    if reached is None:
        return
    apart_s = (subject.at - reached).total_seconds()
    if abs(apart_s) > _MOST_APART_S:
        side = "ahead of" if apart_s > 0 else "behind"
        text = f"the clock is {abs(apart_s):.0f} seconds {side} that of the sign-in provider"
        yield warning(_CHECK, text, "sudo timedatectl set-ntp true")


async def _reach(settings: OpenIdSettings) -> datetime | Refused | None:
    """Return the provider's time, or None if it does not say it, or why it cannot be reached."""
    from session_controller.openid.provider import Provider  # noqa: PLC0415

    provider = Provider(settings, unix_s=time.time, steady_s=time.monotonic)
    try:
        reached = await provider.reach()
    finally:
        await provider.close()
    if isinstance(reached, Refused):
        return reached
    try:
        at = parsedate_to_datetime(reached.date or "")
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def _what(refused: Refused) -> str:
    detail = refused.detail or refused.cause.value
    if detail in _REACHED:
        return _REACHED[detail]
    return cause_of(Reason(detail)).text if detail in _REASONS else detail


def _mend(settings: OpenIdSettings, refused: Refused) -> str:
    if refused.detail == Reason.UNKNOWN_AUTHORITY:
        return f"`ca_file` in [oidc] names the CA of the provider; {_CHECKED}"
    if refused.cause is Cause.CLOCK:
        return "sudo timedatectl set-ntp true"
    if refused.cause is Cause.UNREACHABLE:
        return f"see what this shows on the box: curl -v {settings.issuer.rstrip('/')}{DISCOVERY}"
    return _MEND
