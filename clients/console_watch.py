"""`handrail session watch`: a session as it changes, on a terminal or as lines."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from clients.admin import AdminClient
from clients.console import DATA, AsJson, Data, Failure, Program, program
from clients.console_printing import out, plain, print_line, say
from clients.console_show import session_page
from clients.errors import ConnectFailed, HandrailError, RequestRefused, TimedOut
from schemas.rejections import RejectionCode
from schemas.views import FacilityView

Show = Callable[[AdminClient, FacilityView], None]

_LOOK_S = 2.0
"""How long a connection may be gone before the box is looked for anew, at another port maybe."""


def watch(
    context: typer.Context,
    session: Annotated[str, typer.Argument(help="A session's id.", metavar="ID")],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Watch a session live until it ends; a restart of the box is waited out.

    The staff see that somebody watches. With --json, or where the output is no terminal, each
    change is a line.
    """
    with _screen(as_json) as show:
        _watch(program(context), data, session, show)


def _watch(with_program: Program, data: Path, session: str, show: Show) -> None:
    seen = False
    while True:
        try:
            with (
                with_program.running(data) as place,
                AdminClient(place.url, place.credential) as admin,
            ):
                if _follow(admin, session, show):
                    return
                seen = True
        except (Failure, ConnectFailed, TimedOut):
            if not seen:
                raise
            time.sleep(0.5)
            continue
        say("the box is away; waiting for it")


def _follow(admin: AdminClient, session: str, show: Show) -> bool:
    """Show each change; tells whether it is over, rather than the box away."""
    takes_part = admin.credential.device in admin.show_session(session).participants
    try:
        admin.join_session(session)
    except RequestRefused as error:
        if error.code is not RejectionCode.SESSION_ENDED:
            raise
        show(admin, admin.show_session(session))
        return True
    try:
        return _each_change(admin, session, show)
    finally:
        if admin.online and not takes_part:
            with suppress(HandrailError):
                admin.leave_session(session)


def _each_change(admin: AdminClient, session: str, show: Show) -> bool:
    shown: FacilityView | None = None
    while True:
        try:
            for view in admin.views(session, _LOOK_S):
                if view != shown:
                    show(admin, view)
                shown = view
        except TimedOut:
            if not admin.online:
                return False
        else:
            return True


@contextmanager
def _screen(as_json: bool) -> Iterator[Show]:
    """Give how a view is shown."""
    if as_json:
        yield lambda _, view: print_line(plain(view))
    elif not sys.stdout.isatty():
        yield lambda _, view: _print_change(view)
    else:
        with Live(console=out(), auto_refresh=False) as live:
            yield lambda admin, view: live.update(
                session_page(view, admin.flow(view.flow_ref)), refresh=True
            )


def _print_change(view: FacilityView) -> None:
    filled = sum(step.filled for step in view.steps.values())
    away = [name for name, who in view.participants.items() if not who.online]
    parts = [
        view.updated_at.astimezone().strftime("%H:%M:%S"),
        f"revision {view.revision}",
        view.status,
        f"step {view.step_index + 1}/{view.steps_total} {view.step_id}",
        f"{filled} filled",
        f"away: {', '.join(away)}" if away else "",
        "HELP" if view.help_requested else "",
        f"signing {view.signature.field_id}" if view.signature else "",
    ]
    sys.stdout.write("  ".join(filter(None, parts)) + "\n")
    sys.stdout.flush()
