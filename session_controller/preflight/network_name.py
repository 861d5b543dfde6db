"""Whether screens find a running box by its name."""

import json
from collections.abc import Iterator

from session_controller.data_folder import BOX_FILE
from session_controller.preflight.finding import Finding, ok, warning
from session_controller.preflight.subject import Subject

_CHECK = "network-name"
_MEND = (
    "give this machine a name of its own (`hostnamectl set-hostname NAME`, or `handrail tls renew "
    "--name NAME.local`) and restart the box; or use its address, with --no-mdns"
)


def network_name_findings(subject: Subject) -> Iterator[Finding]:
    """Yield under which name the running box is announced, and what keeps it from being found.

    Nothing of a box that does not run, or is not to be announced.
    """
    if not subject.running:  # a box that was killed leaves the file
        return
    try:
        told = json.loads((subject.data / BOX_FILE).read_text())["mdns"]
        name, problem = told["name"], told["problem"]
    except (OSError, ValueError, LookupError, TypeError):
        return
    if problem is not None:
        yield warning(_CHECK, str(problem), _MEND)
    else:
        yield ok(_CHECK, f"screens find the box as {name}")
