"""`handrail simulate`: simulated sessions against a real box."""

import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clients.cli.context import FAILED, AsJson, Failure, Place, Program, program
from clients.cli.output import console, print_facts, print_json, say
from clients.cli.owner import act_as_owner
from clients.cli.types import span
from clients.sdk.files import write_private

if TYPE_CHECKING:
    from clients.simulator.simulator import SessionResult

app = typer.Typer()


@app.command(epilog="Example: handrail simulate pre-registration --sessions 9")
def simulate(
    context: typer.Context,
    flow: Annotated[
        str, typer.Argument(metavar="FLOW|FILE", help="A flow id, or a questionnaire to add.")
    ],
    *,
    sessions: Annotated[
        int, typer.Option(metavar="N", min=1, max=100_000, help="Number of sessions.")
    ] = 1,
    at_once: Annotated[
        int, typer.Option(metavar="N", min=1, max=2_000, help="Concurrent sessions.")
    ] = 100,
    pace: Annotated[
        float,
        typer.Option(metavar="SECONDS", min=0, help="Seconds between two actions; 0: no delay."),
    ] = 0.0,
    seed: Annotated[
        int, typer.Option(metavar="N", help="Random seed; the same seed gives the same answers.")
    ] = 0,
    timeout: Annotated[
        timedelta | None, typer.Option(parser=span, metavar="SPAN", help="Give up after, e.g. 10m.")
    ] = None,
    responses: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write the QuestionnaireResponses to this folder.",
            file_okay=False,
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="Use the box of this data folder. Default: a temporary box.",
            callback=act_as_owner,
        ),
    ] = None,
    with_destinations: Annotated[
        bool,
        typer.Option(
            "--with-destinations",
            help="Also use a box that delivers. Nothing simulated is delivered.",
        ),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Simulate sessions of a flow, with generated answers, over real connections.

    Starts a temporary box, unless --data names one. The sessions are marked as a test wherever they
    are shown or exported, and never delivered; of the simulated screens nothing remains. Exits with
    1 unless every session was completed.
    """
    from clients.simulator.simulator import simulate as play

    with _somewhere(program(context), data, with_destinations=with_destinations) as place:
        flow_id = _flow_id(place, flow)
        with _progress(sessions) as progress:
            results = play(
                place.url,
                place.credential,
                flow_id,
                sessions,
                at_once=at_once,
                pace=pace,
                seed=seed,
                timeout=timeout.total_seconds() if timeout else None,
                progress=progress,
                test=True,
            )
        if responses is not None:
            _write_responses(place, responses, results)
    _report(flow_id, results, as_json=as_json)
    if not all(result.completed for result in results):
        raise typer.Exit(FAILED)


@contextmanager
def _somewhere(
    with_program: Program, data: Path | None, *, with_destinations: bool
) -> Iterator[Place]:
    """Yield the box that is named, or a temporary one."""
    from clients.cli.scratch import scratch_folder

    if data is None:
        with scratch_folder("handrail-simulate-") as folder, with_program.visit(folder) as place:
            yield place
        return
    with (
        with_program.visit(data) as place,
        _rehearsal(data, place, with_destinations=with_destinations),
    ):
        yield place


@contextmanager
def _rehearsal(data: Path, place: Place, *, with_destinations: bool) -> Iterator[None]:
    """Refuse a box that delivers; remove what killed simulations left, if no other one runs."""
    from clients.sdk.admin import AdminClient
    from clients.simulator.simulator import sweep
    from session_controller.data_folder import rehearsing

    with rehearsing(data) as alone:
        with AdminClient(place.url, place.credential) as admin:
            names = [each.destination.name for each in admin.list_destinations()]
            if names and not with_destinations:
                raise Failure(
                    f"this box delivers to {', '.join(names)}; simulate without --data, on a "
                    "temporary box, or pass --with-destinations: nothing simulated is delivered"
                )
            if alone:
                sweep(admin)
        yield


def _flow_id(place: Place, named: str) -> str:
    from clients.cli.flow import add_flow
    from clients.cli.flow_file import read_flow
    from clients.sdk.admin import AdminClient

    with AdminClient(place.url, place.credential) as admin:
        if os.path.isfile(named):  # noqa: PTH113 - Path raises in a folder that it may not enter
            return add_flow(admin, read_flow(Path(named))).flow_id
        known = [line.flow_id for line in admin.list_flows().flows]
    if named not in known:
        raise Failure(f"there is no file or flow {named!r}; the flows are {', '.join(known)}")
    return named


@contextmanager
def _progress(sessions: int) -> "Iterator[Callable[[SessionResult], None]]":
    """Report progress on stderr: a bar on a terminal, or else a line per session."""
    if not sys.stderr.isatty():
        yield lambda result: say(_line(result))
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("sessions"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console(stderr=True)) as bar:
        task = bar.add_task("", total=sessions)
        lock = threading.Lock()

        def one_more(result: "SessionResult") -> None:
            with lock:
                bar.advance(task)
                if not result.completed:
                    bar.console.print(_line(result), markup=False)

        yield one_more


def _line(result: "SessionResult") -> str:
    why = f": {result.error}" if result.error else ""
    return f"session {result.number + 1} {result.session} {result.outcome}{why}"


def _write_responses(place: Place, folder: Path, results: "list[SessionResult]") -> None:
    from clients.sdk.admin import AdminClient

    folder.mkdir(parents=True, exist_ok=True)
    with AdminClient(place.url, place.credential) as admin:
        for result in results:
            if result.completed:
                text = json.dumps(admin.response(result.session), indent=2, ensure_ascii=False)
                write_private(folder / f"{result.session}.json", text.encode() + b"\n")


def _report(flow_id: str, results: "list[SessionResult]", *, as_json: bool) -> None:
    from clients.simulator.simulator import outcomes

    actions = sum(sum(result.actions.values()) for result in results)
    refused = sum(len(result.refusals) for result in results)
    slowest = max((result.seconds for result in results), default=0.0)
    if as_json:
        print_json(
            {
                "flow_id": flow_id,
                "sessions": len(results),
                "completed": sum(result.completed for result in results),
                "outcomes": dict(outcomes(results)),
                "actions": actions,
                "refused": refused,
                "slowest_s": round(slowest, 3),
                "results": [_result(result) for result in results],
            }
        )
        return
    print_facts(
        {
            "flow": flow_id,
            "outcomes": ", ".join(f"{n} {name}" for name, n in outcomes(results).items()),
            "actions": f"{actions}, {refused} of them refused",
            "slowest": f"{slowest:.1f} s",
        }
    )


def _result(result: "SessionResult") -> dict[str, Any]:
    return {
        "session": result.session,
        "flow_ref": result.flow_ref,
        "outcome": result.outcome,
        "error": result.error,
        "seconds": round(result.seconds, 3),
        "actions": dict(result.actions),
        "refusals": [list(refusal) for refusal in result.refusals],
        "documents": sorted(result.documents),
        "signatures": sorted(result.signatures),
    }
