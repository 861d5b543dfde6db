"""Terminal view of a session, as staff see it."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table

from clients.cli.output import moment, out
from schemas.questionnaire.field_ids import resolve
from schemas.questionnaire.load import Flow
from schemas.wire.requests import SessionDelivery
from schemas.wire.views import (
    FacilityView,
    FieldView,
    IdentifiedView,
    Masked,
    SignatureView,
    StepStatus,
)

_MARKS = {
    StepStatus.UPCOMING: "[dim]·[/]",
    StepStatus.CURRENT: "[bold cyan]▶[/]",
    StepStatus.COMPLETE: "[green]✓[/]",
    StepStatus.INCOMPLETE: "[yellow]![/]",
}
_LONGEST = 60


def print_session(
    view: FacilityView, flow: Flow, deliveries: Iterable[SessionDelivery] = ()
) -> None:
    """Print a session's head, steps and fields."""
    out().print(session_page(view, flow, deliveries))


def session_page(
    view: FacilityView, flow: Flow, deliveries: Iterable[SessionDelivery] = ()
) -> RenderableType:
    """Return a session's head, steps and fields as a renderable."""
    return Group(_head(view, deliveries), "", _steps(view, flow), "", _fields(view, flow))


def _head(view: FacilityView, deliveries: Iterable[SessionDelivery]) -> Table:
    head = Table.grid(padding=(0, 2))
    people = ", ".join(
        f"{name} ({p.role}{', host' * p.host}{_presence(view, online=p.online)})"
        for name, p in view.participants.items()
    )
    rows = {
        "session": view.session,
        "label": view.label or "",
        "status": str(view.status),
        "test": "a rehearsal, never delivered" if view.test else "",
        "check words": " ".join(view.check_words),
        "who": people,
        "revision": f"{view.revision} of {moment(view.updated_at)}",
        "help": "requested by the patient" if view.help_requested else "",
        "signing": view.signature.field_id if view.signature else "",
        "code": f"{view.code} until {moment(view.code_expires_at)}" if view.code else "",
        "identified": _identified(view.identified) if view.identified else "",
        "delivery": ", ".join(map(_delivery, deliveries)),
    }
    for name, text in rows.items():
        if text:
            head.add_row(f"[dim]{name}[/]", escape(text))
    return head


def _presence(view: FacilityView, *, online: bool) -> str:
    """Return whether a screen is there; nobody is, once the session has ended."""
    if view.status.ended:
        return ""
    return ", online" if online else ", away"


def _identified(stated: IdentifiedView) -> str:
    name = " ".join((*stated.given, stated.family or "")).strip()
    who = ", ".join(part for part in (name, stated.birth_date, stated.gender) if part)
    return f"{who}; by staff ({stated.staff_name or stated.device}), {moment(stated.at)}"


def _delivery(one: SessionDelivery) -> str:
    from session_controller.delivery.causes import in_words

    why = f" ({in_words(one.reason)})" if one.reason and one.reason != one.status else ""
    return f"{one.destination} {one.status}{why}"


def _steps(view: FacilityView, flow: Flow) -> Table:
    table = Table("", "step", "filled", box=None, pad_edge=False, header_style="bold")
    for step_id, step in view.steps.items():
        known = flow.step_of.get(step_id)
        name = known.title_in(shown=view.enabled) if known else step_id
        table.add_row(_MARKS[step.status], escape(name), f"{step.filled} ({step.required} needed)")
    return table


def _fields(view: FacilityView, flow: Flow) -> Table:
    table = Table("field", "value", "", box=None, pad_edge=False, header_style="bold")
    for name, value, remark in _lines(view):
        place = resolve(flow, name)
        label = place.item.label if place else name
        table.add_row(escape(_short(label)), escape(_short(value)), escape(remark))
    return table


def _lines(view: FacilityView) -> Iterator[tuple[str, str, str]]:
    for name, shown in view.fields.items():
        yield name, said(shown), shown.correction or shown.error or ""
    for name, document in view.documents.items():
        yield name, f"[{document.status}]", document.reason or ""
    for name, signature in view.signatures.items():
        yield name, f"[{signature.status}]", signature.reason or _signer(signature)


def _signer(signature: SignatureView) -> str:
    parts = (signature.printed_name, signature.relationship)
    return ", ".join(part for part in parts if part)


def said(shown: FieldView) -> str:
    """Return a value as text for display."""
    return _said(shown.value)


def _said(value: object) -> str:
    match value:
        case Masked():
            return "•" * min(value.length, 12)
        case bool():
            return "yes" if value else "no"
        case list():
            return ", ".join(map(_said, value))
        case dict():
            named = (value.get(key) for key in ("display", "code", "reference", "value"))
            return next((str(each) for each in named if each is not None), str(value))
    return str(value)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
