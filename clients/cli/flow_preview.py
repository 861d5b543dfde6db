"""`handrail flow preview`: a form on both screens, on a box of its own."""

import json
import signal
import sys
import webbrowser
from contextlib import suppress

from clients.cli.box_process import BoxProcess
from clients.cli.context import Program
from clients.cli.output import echo
from clients.cli.scratch import scratch_folder
from schemas.base import Role
from schemas.questionnaire.model import Flow


def run(with_program: Program, flow: Flow, *, opens: bool) -> None:
    """Start a box with the form, print the links of both screens, and wait until it is stopped."""
    # On SIGTERM, stop the box too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with (
        scratch_folder("handrail-preview-") as folder,
        BoxProcess(with_program.command, folder / "box") as box,
    ):
        desk, patient = _links(with_program, box, flow)
        echo(
            f'The form "{flow.title}" on both screens. Each link works once, for ten minutes, on '
            f"this machine:\n\n  front-desk screen  {desk}\n  patient screen     {patient}\n\n"
            "Press Ctrl-C to end the preview; nothing of it is kept.\n"
        )
        for link in (desk, patient) if opens else ():
            webbrowser.open(link)
        with suppress(KeyboardInterrupt):
            box.wait()


def _links(with_program: Program, box: BoxProcess, flow: Flow) -> tuple[str, str]:
    """Open a rehearsal with the form; return the addresses of its two screens."""
    with with_program.reach(box.data) as admin:
        added = admin.add_flow(json.loads(flow.canonical))
        desk = admin.enrol_device("Preview", Role.FACILITY, "code")
        opened = admin.open_session_for(desk.device, added.flow_id, test=True)
    pages = box.addresses["http"]
    return f"{pages}/facility#code={desk.code}", f"{pages}/patient#code={opened.code}"
