"""`handrail find`: the boxes on the network."""

from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.context import UNAVAILABLE, AsJson, Failure, Unused

if TYPE_CHECKING:
    from session_controller.discovery.boxes import FoundBox

app = typer.Typer()
_SHORTEST_S, _LONGEST_S = 0.5, 60.0


@app.command(epilog="Example: handrail find")
def find(
    *,
    seconds: Annotated[
        float,
        typer.Option(
            "--seconds", min=_SHORTEST_S, max=_LONGEST_S, help="How long to wait for answers."
        ),
    ] = 3.0,
    data: Unused = None,  # noqa: ARG001
    as_json: AsJson = False,
) -> None:
    """List the boxes that announce themselves on this machine's networks (mDNS).

    Anybody on the network can announce anything: compare the fingerprint of the CA with the one
    that `handrail tls show` prints on the box.
    """
    import asyncio
    from dataclasses import asdict

    from clients.cli.output import echo, print_facts, print_json, say
    from session_controller.discovery.boxes import find_boxes

    try:
        found = asyncio.run(find_boxes(seconds))
    except OSError as error:
        raise Failure(f"cannot ask the network: {error.strerror or error}", UNAVAILABLE) from None
    if as_json:
        print_json([asdict(box) for box in found])
        return
    for number, box in enumerate(found):
        if number:
            echo("\n")
        print_facts(_facts(box))
    if not found:
        say(
            "No box answered. A box announces itself if it listens beyond its own machine, on the "
            "same network, without --no-mdns; see its log, and `handrail doctor` on it."
        )
        raise typer.Exit(1)


def _facts(box: "FoundBox") -> dict[str, str]:
    facts = {
        "pages": box.pages,
        "name": box.name,
        "site": box.site,
        "version": box.version,
        "addresses": ", ".join(box.addresses),
    }
    return facts | ({"CA fingerprint": box.ca} if box.ca else {})
