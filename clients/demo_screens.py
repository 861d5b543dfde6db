"""The two screens, side by side on a terminal, as each device sees its own view."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table

from clients.console_show import said
from clients.demo_log import View, label_of, step_name
from schemas.flow import FieldKind, Flow
from schemas.questionnaire_places import resolve
from schemas.views import FacilityView, PatientView, SignatureStatus, StepStatus

_ROWS = 13
_SHORT = 30
_MARKS = {
    StepStatus.UPCOMING: "[dim]·",
    StepStatus.CURRENT: "[bold cyan]▶",
    StepStatus.COMPLETE: "[green]✓",
    StepStatus.INCOMPLETE: "[yellow]!",
}


def patient_screen(view: PatientView | None, flow: Flow | None, *, online: bool) -> Panel:
    """Draw the patient's screen."""
    if view is None or flow is None:
        body: RenderableType = "Please wait: the front desk will begin."
    else:
        body = Group(f"[bold]{escape(step_name(view, flow))}", *_patient_lines(view, flow))
    return _framed("Patient's tablet", "magenta", body, view, online=online)


def staff_screen(view: FacilityView | None, flow: Flow | None, *, online: bool) -> Panel:
    """Draw the staff's screen."""
    if view is None or flow is None:
        body: RenderableType = "No session is open."
    else:
        body = Group(_steps(view, flow), *_staff_lines(view, flow))
    return _framed("Front desk", "blue", body, view, online=online)


def side_by_side(left: Panel, right: Panel) -> RenderableType:
    """Put two screens beside each other."""
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(left, right)
    return grid


def _framed(
    title: str, style: str, body: RenderableType, view: View | None, *, online: bool
) -> Panel:
    words = " ".join(view.check_words) if view else ""
    state = "" if online else " — [bold red]no connection[/]"
    return Panel(
        body,
        title=f"{title}{state}",
        subtitle=f"check words: {words}" if words else None,
        border_style=style if online else "red",
        height=_ROWS + 12,
    )


def _patient_lines(view: PatientView, flow: Flow) -> Iterator[str]:
    if view.covered:
        yield "(covered)"
        return
    yield from _cut(_field_line(view, flow, field_id) for field_id in view.enabled)
    yield ""
    if view.signature and view.signature.status is SignatureStatus.REQUESTED:
        yield "[reverse] Please sign here: ✍ ________________ [/]"
    if view.help_requested:
        yield "[yellow]Help is on its way."
    if view.status.ended:
        yield f"[bold green]{view.status}. Thank you!"


def _staff_lines(view: FacilityView, flow: Flow) -> Iterator[str]:
    yield ""
    here = [name for name in view.enabled if _step_of(flow, name) == view.step_id]
    yield from _cut((_field_line(view, flow, name) for name in here), _ROWS - 4)
    yield ""
    away = [name for name, who in view.participants.items() if not who.online]
    if away:
        yield f"[bold red]away: {', '.join(away)}"
    if view.help_requested:
        yield "[bold yellow]The patient asks for help."
    if view.signature:
        yield f"signature: {view.signature.status}"
    if view.code:
        yield f"code for the patient's screen: [bold]{view.code}"
    if view.status.ended:
        yield f"[bold green]session {view.status}"


def _steps(view: FacilityView, flow: Flow) -> Table:
    grid = Table.grid(padding=(0, 1))
    for step_id, step in view.steps.items():
        title = flow.step_of[step_id].title or step_id
        count = f"[dim]{step.filled} filled, {step.required} needed"
        grid.add_row(_MARKS[step.status], escape(title), count)
    return grid


def _field_line(view: View, flow: Flow, field_id: str) -> str:
    name = escape(label_of(flow, field_id)[:_SHORT])
    line = f"{name:<{_SHORT}} {_value(view, flow, field_id)}"
    return f"[reverse]{line}[/]" if view.highlight == field_id else line


def _value(view: View, flow: Flow, field_id: str) -> str:
    place = resolve(flow, field_id)
    kind = place.item.kind if place else None
    if kind is FieldKind.ATTACHMENT:
        document = view.documents.get(field_id)
        return f"[cyan]({document.status if document else 'missing'})"
    if kind is FieldKind.CONSENT:
        return f"[cyan]read {view.reading.get(field_id, 0.0):.0%}"
    if kind is FieldKind.SIGNATURE:
        return "[cyan](signature)"
    shown = view.fields.get(field_id)
    if shown is None or shown.value is None:
        return "[dim]________"
    text = escape(said(shown)[:_SHORT])
    if shown.error:
        return f"[red]{text}  ✗ {escape(shown.error)}"
    return f"[yellow]{text}  ✎ {escape(shown.correction)}" if shown.correction else f"[bold]{text}"


def _step_of(flow: Flow, field_id: str) -> str:
    place = resolve(flow, field_id)
    return place.step_id if place else ""


def _cut(lines: Iterable[str], rows: int = _ROWS) -> list[str]:
    found = list(lines)
    return found if len(found) <= rows else [*found[: rows - 1], "[dim]…"]
