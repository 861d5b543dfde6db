"""The two screens side by side on a terminal, each with its own view."""

from collections.abc import Iterable, Iterator

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from clients.cli.session_page import said
from clients.demo.log import View, label_of, step_name
from schemas.questionnaire.field_ids import resolve
from schemas.questionnaire.load import FieldKind, Flow
from schemas.wire.views import FacilityView, PatientView, SignatureStatus, StepStatus

_SHORT = 26
_STAFF_BESIDES_FIELDS = 14
_PATIENT_BESIDES_FIELDS = 6
_FEWEST = 3
_MARKS = {
    StepStatus.UPCOMING: "[dim]·",
    StepStatus.CURRENT: "[bold cyan]▶",
    StepStatus.COMPLETE: "[green]✓",
    StepStatus.INCOMPLETE: "[yellow]!",
}


def patient_screen(
    view: PatientView | None, flow: Flow | None, *, online: bool, height: int
) -> Panel:
    """Render the patient screen, `lines` high."""
    if view is None or flow is None:
        body: RenderableType = "Please wait. The front desk will begin."
    else:
        lines = (f"[bold]{escape(step_name(view, flow))}", *_patient_lines(view, flow, height))
        body = Group(*map(_line, lines))
    title = _title("Patient's tablet", online=online)
    return _framed(title, "magenta" if online else "red", body, view, height)


def staff_screen(
    view: FacilityView | None, flow: Flow | None, *, online: bool, height: int
) -> Panel:
    """Render the front-desk screen, `lines` high."""
    if view is None or flow is None:
        body: RenderableType = "No session is open."
    else:
        body = Group(_steps(view, flow), *map(_line, _staff_lines(view, flow, height)))
    return _framed(
        _title("Front desk", online=online), "blue" if online else "red", body, view, height
    )


def side_by_side(left: Panel, right: Panel) -> RenderableType:
    """Render two screens side by side."""
    grid = Table.grid(expand=True)
    grid.add_column(ratio=1)
    grid.add_column(ratio=1)
    grid.add_row(left, right)
    return grid


def _line(markup: str) -> Text:
    """Return a line that is truncated at the screen's edge, not wrapped."""
    text = Text.from_markup(markup)
    text.no_wrap, text.overflow = True, "ellipsis"
    return text


def _title(name: str, *, online: bool) -> str:
    return name if online else f"{name} — [bold red]no connection[/]"


def _framed(title: str, style: str, body: RenderableType, view: View | None, height: int) -> Panel:
    words = " ".join(view.check_words) if view else ""
    subtitle = f"check words: {words}" if words else None
    return Panel(body, title=title, subtitle=subtitle, border_style=style, height=height)


def _patient_lines(view: PatientView, flow: Flow, height: int) -> Iterator[str]:
    if view.covered:
        yield "(covered)"
        return
    fields = (_field_line(view, flow, name) for name in _fields(view, flow))
    yield from _cut(fields, height - _PATIENT_BESIDES_FIELDS)
    yield ""
    if view.signature and view.signature.status is SignatureStatus.REQUESTED:
        yield "[reverse] Please sign here: ✍ ________________ [/]"
    if view.help_requested:
        yield "[yellow]You asked for help."
    if view.status.ended:
        yield f"[bold green]{view.status}. Thank you!"


def _staff_lines(view: FacilityView, flow: Flow, height: int) -> Iterator[str]:
    yield ""
    fields = (_field_line(view, flow, name) for name in _fields(view, flow))
    yield from _cut(fields, height - _STAFF_BESIDES_FIELDS)
    yield ""
    away = [name for name, who in view.participants.items() if not who.online]
    if away:
        yield f"[bold red]away: {', '.join(away)}"
    if view.help_requested:
        yield "[bold yellow]The patient requests help."
    if view.signature:
        yield f"signature: {view.signature.status}"
    if view.code:
        yield f"code for the patient screen: [bold]{view.code}"
    if view.status.ended:
        yield f"[bold green]session {view.status}"


def _steps(view: FacilityView, flow: Flow) -> Table:
    grid = Table.grid(padding=(0, 1))
    for _ in range(3):
        grid.add_column(no_wrap=True, overflow="ellipsis")
    for step_id, step in view.steps.items():
        title = flow.step_of[step_id].title_in(shown=view.enabled)
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


def _fields(view: View, flow: Flow) -> Iterator[str]:
    """Return the fields of a view's current step."""
    for field_id in view.enabled:
        place = resolve(flow, field_id)
        if place is not None and place.item.is_field and place.step_id == view.step_id:
            yield field_id


def _cut(lines: Iterable[str], rows: int) -> list[str]:
    found, most = list(lines), max(rows, _FEWEST)
    return found if len(found) <= most else [*found[: most - 1], "[dim]…"]
