"""Whether screens find a running box by its name."""

import json
from collections.abc import Iterator
from pathlib import Path

from session_controller.data_folder import BOX_FILE
from session_controller.preflight.finding import Finding, Level

_CHECK = "network-name"
_MEND = (
    "give this machine a name of its own (`hostnamectl set-hostname NAME`, or `handrail tls renew "
    "--name NAME.local`) and restart the box; or use its address, with --no-mdns"
)


def network_name_findings(data: Path) -> Iterator[Finding]:
    """Yield under which name the running box is announced, and what keeps it from being found.

    Nothing of a box that does not run, or is not to be announced.
    """
    try:
        told = json.loads((data / BOX_FILE).read_text())["mdns"]
        name, problem = told["name"], told["problem"]
    except (OSError, ValueError, LookupError, TypeError):
        return
    if problem is not None:
        yield Finding(_CHECK, Level.WARNING, str(problem), _MEND)
    else:
        yield Finding(_CHECK, Level.OK, f"screens find the box as {name}")
