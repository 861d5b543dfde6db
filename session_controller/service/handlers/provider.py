"""Signing in at front-desk screens with the site's OpenID Connect provider."""

import math
import shlex
from dataclasses import replace

from schemas.topics import InboxTopic
from schemas.wire import requests as r
from schemas.wire import staff as s
from schemas.wire.rejections import Rejection, RejectionCode
from session_controller.audit.events import SignInRefused
from session_controller.engine.refusal import Refusal
from session_controller.openid.authorization import LASTS_S, Pending
from session_controller.openid.refused import Cause, Refused
from session_controller.openid.settings import OpenId
from session_controller.service.desks import (
    AtProvider,
    BeginAtProvider,
    FinishAtProvider,
    ProviderOrder,
)
from session_controller.service.handlers.desks import NOBODY_NEEDED, let_in, locked
from session_controller.service.unit_of_work import UnitOfWork
from session_controller.storage.entities import Account, Device, Person
from session_controller.storage.store import Store

_NO_PROVIDER = Refusal(
    RejectionCode.UNAVAILABLE, "This box has no OpenID Connect provider; use your PIN."
)
_ASKING = Refusal(RejectionCode.TOO_MANY, "The provider is being asked for this screen already.")
_MEANWHILE = Refused(Cause.EXPIRED, "somebody signed in meanwhile")
_OF_THE_PERSON = frozenset(
    {
        "access_denied",
        "account_selection_required",
        "consent_required",
        "interaction_required",
        "login_required",
    }
)
"""Errors that come through the browser (RFC 6749, 4.1.2.1; OpenID Connect Core, 3.1.2.6)."""
_OF_THE_BOX = frozenset(
    {"invalid_request", "invalid_scope", "unauthorized_client", "unsupported_response_type"}
)
_OF_THE_PROVIDER = frozenset({"server_error", "temporarily_unavailable"})


def begin_sign_in(
    work: UnitOfWork, _: Store, device: Device, request: s.BeginSignIn
) -> r.Answer | Refusal | None:
    """Order that the provider is looked up; the answer comes then.

    A request that arrives twice begins once; another one takes its place.
    """
    desk, openid = work.desk(device.device), work.registry.openid
    if desk.at_provider.answered and desk.at_provider.answered[0] == request.request_id:
        return desk.at_provider.answered[1]
    if desk.at_provider.trying is not None:
        return None if desk.at_provider.trying == request.request_id else _ASKING
    if openid is None:
        return _NO_PROVIDER
    if not work.has_persons:
        return NOBODY_NEEDED
    if refusal := locked(work, desk) or _elsewhere(openid, request.page):
        return refusal
    pending = Pending.begin(request.page, work.steady_s)
    _put(work, device.device, AtProvider(trying=request.request_id))
    work.at_provider.append(BeginAtProvider(device.device, request.request_id, pending))
    return None


def _elsewhere(openid: OpenId, page: str) -> Refusal | None:
    """Return that the provider would not return to a page, or None.

    The provider shows an error then, to somebody who cannot mend it.
    """
    known = openid.page
    if page == known:
        return None
    where = known or "no address yet: facility IT sets `page` in [oidc]"
    return Refusal(
        RejectionCode.SIGN_IN_REFUSED,
        f"This works only where this page is opened at {where}. Use your PIN here.",
        {"cause": "page", **({"page": known} if known else {})},
    )


def conclude_begin(work: UnitOfWork, order: BeginAtProvider, found: str | Refused) -> None:
    """Answer with the URL of the provider, or why there is none."""
    if not _is_current(work, order):
        _say(work, order.device, order.request_id, _refuse(work, order.device, _MEANWHILE))
    elif isinstance(found, Refused):
        _answer(work, order.device, order.request_id, _refuse(work, order.device, found))
    else:
        begun = s.SignInBegun(
            request_id=order.request_id, url=found, seconds_left=math.floor(LASTS_S)
        )
        _answer(work, order.device, order.request_id, begun, order.pending)


def finish_sign_in(
    work: UnitOfWork, _: Store, device: Device, request: s.FinishSignIn
) -> r.Answer | Refusal | None:
    """Order that a code is exchanged; the answer comes then. What was begun is used up.

    A request that arrives twice counts once.
    """
    here = work.desk(device.device).at_provider
    if here.answered and here.answered[0] == request.request_id:
        return here.answered[1]
    if here.trying is not None:
        return None if here.trying == request.request_id else _ASKING
    if work.registry.openid is None:
        return _NO_PROVIDER
    pending = here.pending
    if pending is None or not pending.is_of(request.state, work.steady_s):
        refusal = _refuse(work, device.device, Refused(Cause.EXPIRED, "state"))
        _answer(work, device.device, request.request_id, refusal, pending)
        return None
    if request.code is None:
        refusal = _refuse(work, device.device, _failed(request.error))
        _answer(work, device.device, request.request_id, refusal)
        return None
    _put(work, device.device, AtProvider(trying=request.request_id))
    work.at_provider.append(
        FinishAtProvider(device.device, request.request_id, pending, request.code, request.iss)
    )
    return None


def _failed(error: str | None) -> Refused:
    """Return what an error that the provider returned means; others are not repeated."""
    if error in _OF_THE_BOX:
        return Refused(Cause.MISCONFIGURED, error)
    if error in _OF_THE_PROVIDER:
        return Refused(Cause.UNREACHABLE, error)
    return Refused(Cause.DECLINED, error if error in _OF_THE_PERSON else "error")


def conclude_finish(work: UnitOfWork, order: FinishAtProvider, found: Account | Refused) -> None:
    """Sign in who is linked to the account, or answer why nobody is."""
    device = work.device(order.device)
    if device is None or device.revoked_at is not None:
        return  # it is not connected
    if not _is_current(work, order):
        _say(work, order.device, order.request_id, _refuse(work, order.device, _MEANWHILE))
        return
    outcome = _outcome(work, order, found)
    _answer(work, order.device, order.request_id, outcome)


def _outcome(
    work: UnitOfWork, order: FinishAtProvider, found: Account | Refused
) -> r.Answer | Refusal:
    if isinstance(found, Refused):
        return _refuse(work, order.device, found)
    person = _linked(work, found)
    if person is None:
        return _refuse(work, order.device, Refused(Cause.NOT_LINKED), account=found)
    if person.retired_at is not None:
        return _refuse(work, order.device, Refused(Cause.RETIRED), person=person)
    if refusal := locked(work, work.desk(order.device), person):
        work.note(SignInRefused(cause="locked", subject=person.person), device=order.device)
        return refusal
    return let_in(work, order.device, order.request_id, person, "provider")


def _linked(work: UnitOfWork, account: Account) -> Person | None:
    """Return who is linked to an account; of several, the one who is not retired."""
    found = [person for person in work.persons.values() if person.account == account]
    return min(found, key=lambda person: person.retired_at is not None, default=None)


def _is_current(work: UnitOfWork, order: ProviderOrder) -> bool:
    """Return whether an answer is still waited for: nobody has signed in meanwhile."""
    return work.desk(order.device).at_provider.trying == order.request_id


def _put(work: UnitOfWork, device: str, at_provider: AtProvider) -> None:
    work.desks[device] = replace(work.desk(device), at_provider=at_provider)


def _answer(
    work: UnitOfWork,
    device: str,
    request_id: str,
    outcome: r.Answer | Refusal,
    pending: Pending | None = None,
) -> None:
    """Answer a request, and keep the answer: the request may arrive twice."""
    _put(work, device, AtProvider(pending=pending, answered=(request_id, outcome)))
    _say(work, device, request_id, outcome)


def _say(work: UnitOfWork, device: str, request_id: str, outcome: r.Answer | Refusal) -> None:
    if not isinstance(outcome, Refusal):
        work.say(InboxTopic(device), outcome)
        return
    rejection = Rejection(
        request_id=request_id,
        code=outcome.code,
        message=outcome.message,
        details=dict(outcome.details),
    )
    work.say(InboxTopic(device), rejection)


def _refuse(
    work: UnitOfWork,
    device: str,
    refused: Refused,
    *,
    person: Person | None = None,
    account: Account | None = None,
) -> Refusal:
    """Note a refused sign-in, and return what is said to the person at the screen."""
    act = SignInRefused(
        cause=refused.cause.value,
        detail=refused.detail,
        subject=person.person if person else None,
        account=account.value if account else None,
    )
    work.note(act, device=device)
    openid = work.registry.openid
    name = openid.settings.name if openid else "The provider"
    message = _MESSAGES[refused.cause].format(name=name)
    if account is not None:
        message += f" handrail staff link PERSON --account {shlex.quote(account.value)}"
    return Refusal(RejectionCode.SIGN_IN_REFUSED, message, {"cause": refused.cause.value})


_MESSAGES = {
    Cause.UNREACHABLE: "The box cannot reach {name}. Use your PIN.",
    Cause.MISCONFIGURED: "{name} does not accept this box. Use your PIN, and ask facility IT to "
    "run `handrail doctor`.",
    Cause.DECLINED: "{name} did not sign you in. Try again, or use your PIN.",
    Cause.EXPIRED: "This took longer than five minutes, was used before, or began at another "
    "screen. Begin again, or use your PIN.",
    Cause.CLOCK: "The clocks of the box and of {name} differ. Use your PIN, and ask facility IT "
    "to set the clock of the box (`timedatectl`).",
    Cause.NOT_FRESH: "{name} did not ask for your password this time. Sign out there, or use "
    "your PIN, and tell facility IT.",
    Cause.INVALID: "The answer of {name} is not valid. Use your PIN, and tell facility IT.",
    Cause.UNVERIFIED: "{name} does not say who you are in the way that this box needs. Use your "
    "PIN, and tell facility IT.",
    Cause.NOT_LINKED: "Nobody here is linked to this account. Use your PIN, and ask facility IT "
    "to type:",
    Cause.RETIRED: "The person of this account is retired here. Ask facility IT.",
}
