"""`handrail soak`: a long test of a temporary box under load and faults."""

import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.context import FAILED, AsJson, program
from clients.cli.output import print_facts, print_json, say

if TYPE_CHECKING:
    from clients.simulator.soak import SoakReport

app = typer.Typer()


@app.command(epilog="Example: handrail soak --minutes 60 --sessions 100")
def soak(
    context: typer.Context,
    *,
    minutes: Annotated[float, typer.Option(min=0.1, help="Duration in minutes.")] = 60.0,
    sessions: Annotated[int, typer.Option(min=1, max=500, help="Concurrent sessions.")] = 100,
    flow: Annotated[str, typer.Option(help="A flow's id.")] = "quick-check-in",
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            help="Create the temporary data folder here, to test this disk.",
            file_okay=False,
            exists=True,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Test a temporary box for a long time under load and faults; exit with 1 on any failure.

    It never touches another box: with --data, its folder is made in that one, and removed at last.
    The box is killed once and paused repeatedly; its memory and descriptors must not grow.
    """
    from clients.cli.scratch import scratch_folder
    from clients.sdk.credential import Credential
    from clients.simulator.soak import BoxUnderSoak
    from clients.simulator.soak import soak as run_soak
    from schemas.base import Role

    with scratch_folder("handrail-soak-", data) as folder:
        port = _free_port()
        order = [*program(context).command, "serve", "--data", str(folder), "--backup-every", "0s"]
        order += ["--config", os.devnull]  # a box of its own
        order += ["--mqtt", f"127.0.0.1:{port}", "--http", "127.0.0.1:0"]
        box = BoxUnderSoak(order)
        try:
            secret = json.loads((folder / "admin.json").read_text())["admin-1"]
            admin = Credential("main", "admin-1", Role.ADMIN, secret)
            url = f"mqtt://127.0.0.1:{port}"
            report = run_soak(
                box,
                url,
                admin,
                flow,
                seconds=minutes * 60,
                sessions=sessions,
                progress=lambda so_far: say(_so_far(so_far)),
            )
        finally:
            box.stop()
    _tell(report, as_json=as_json)
    if not report.well:
        raise typer.Exit(FAILED)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


def _so_far(report: "SoakReport") -> str:
    newest = report.samples[-1]
    return (
        f"{report.outcomes.total()} sessions, {newest.resident / (1 << 20):.0f} MiB, "
        f"{newest.descriptors} descriptors"
    )


def _tell(report: "SoakReport", *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "well": report.well,
                "outcomes": dict(report.outcomes),
                "kills": report.kills,
                "stalls": report.stalls,
                "memory": [s.resident for s in report.samples],
                "descriptors": [s.descriptors for s in report.samples],
            }
        )
        return
    facts = {name: str(count) for name, count in report.outcomes.items()}
    facts |= {"kills": str(report.kills), "stalls": str(report.stalls)}
    if report.samples:
        first, last = report.samples[0], report.samples[-1]
        facts["memory"] = (
            f"{first.resident >> 20} MiB at the start, {last.resident >> 20} at the end"
        )
        facts["descriptors"] = f"{first.descriptors} at the start, {last.descriptors} at the end"
    facts["flat"] = "yes" if report.flat else "no"
    print_facts(facts)
