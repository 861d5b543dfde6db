"""`handrail session watch`: show a session as it changes, on a terminal or as lines."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.context import DATA, AsJson, Data, Failure, Program, program
from clients.cli.output import echo, moment, out, plain, print_line, say

if TYPE_CHECKING:
    from clients.sdk.admin import AdminClient
    from schemas.wire.views import FacilityView

    Show = Callable[[AdminClient, FacilityView], None]

_LOOK_S = 2.0
"""Seconds offline before looking up the box again: it may be at another port now."""


def watch(
    context: typer.Context,
    session: Annotated[str, typer.Argument(help="A session id.", metavar="ID")],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Watch a session live until it ends, reconnecting if the box restarts.

    Staff see that the session is being watched. With --json, or if the output is not a terminal,
    each change is one line.
    """
    with _screen(as_json) as show:
        _watch(program(context), data, session, show)


def _watch(with_program: Program, data: Path, session: str, show: "Show") -> None:
    from clients.sdk.admin import AdminClient
    from clients.sdk.errors import ConnectFailed, TimedOut

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
        say("connection to the box lost; waiting for it to return")


def _follow(admin: "AdminClient", session: str, show: "Show") -> bool:
    """Show each change; return True once the session is over, False if the connection is lost."""
    from clients.sdk.errors import HandrailError, RequestRefused
    from schemas.wire.rejections import RejectionCode

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


def _each_change(admin: "AdminClient", session: str, show: "Show") -> bool:
    from clients.sdk.errors import TimedOut

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
def _screen(as_json: bool) -> "Iterator[Show]":
    """Yield the function that shows a view."""
    if as_json:
        yield lambda _, view: print_line(plain(view))
    elif not sys.stdout.isatty():
        yield lambda _, view: _print_change(view)
    else:
        from rich.live import Live

        from clients.cli.session_page import session_page

        with Live(console=out(), auto_refresh=False) as live:
            yield lambda admin, view: live.update(
                session_page(view, admin.flow(view.flow_ref)), refresh=True
            )


def _print_change(view: "FacilityView") -> None:
    filled = sum(step.filled for step in view.steps.values())
    away = [name for name, who in view.participants.items() if not who.online]
    parts = [
        moment(view.updated_at),
        f"revision {view.revision}",
        view.status,
        f"step {view.step_index + 1}/{view.steps_total} {view.step_id}",
        f"{filled} filled",
        f"away: {', '.join(away)}" if away else "",
        "HELP" if view.help_requested else "",
        f"signing {view.signature.field_id}" if view.signature else "",
    ]
    echo("  ".join(filter(None, parts)) + "\n")
