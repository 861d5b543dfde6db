"""`handrail deliver status --check` and `list`: how long, why, what next; for monitors too."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from schemas.wire.deliveries import DestinationLine, DestinationList, UnknownDestination
from schemas.wire.destinations import FolderDestination
from session_controller.delivery.causes import cause_of
from session_controller.preflight.finding import Finding, Level
from session_controller.preflight.stuck import span_in_words, stuck_findings
from tests.cli.conftest import Handrail, handrail
from tests.delivery.conftest import fhir_server
from tests.delivery.fhir_server import FhirServer, Trouble
from tests.delivery.test_commands import session
from tests.machine import free_port

__all__ = ["fhir_server", "handrail", "session"]

_AT = datetime(2026, 3, 2, 8, tzinfo=UTC)


def _found(age: timedelta | None = None, **counts: Any) -> Finding:
    """Return the finding of one destination whose oldest session waits for so long."""
    waiting = {"waiting": 1, "oldest": _AT - age} if age else {"waiting": 0}
    share = FolderDestination(name="share", folder="/mnt/share")
    line = DestinationLine(destination=share, **{"delivered": 7, "refused": 0, **waiting, **counts})
    listed = DestinationList(request_id="r", destinations=(line,))
    (finding,) = stuck_findings(listed, _AT)
    return finding


@pytest.mark.parametrize(
    ("finding", "level", "text"),
    [
        (_found(), Level.OK, "share: nothing waits"),
        (_found(timedelta(minutes=59)), Level.OK, "share: 1 session waits, the oldest for 59 min"),
        (
            _found(timedelta(hours=2), reason="no_folder"),
            Level.WARNING,
            "share: 1 session waits, the oldest for 2 h: " + cause_of("no_folder").text,
        ),
        (_found(timedelta(days=1)), Level.CRITICAL, "share: 1 session waits, the oldest for 24 h"),
        (_found(refused=2), Level.CRITICAL, "share: 2 refused"),
        (
            _found(timedelta(minutes=1), held=1),
            Level.CRITICAL,
            "share: 1 session waits, the oldest for 1 min; 1 held, since the "
            + cause_of("patient_not_identified").text.removeprefix("the "),
        ),
    ],
)
def test_how_bad_it_is(finding: Finding, level: Level, text: str) -> None:
    """An hour warns, a day is critical, and so is what a person has to act on."""
    assert (finding.check, finding.level, finding.text) == ("delivery-share", level, text)
    assert (finding.mend is None) == (level is Level.OK)


def test_what_goes_nowhere_is_critical() -> None:
    """A destination that was lost, unless all has arrived there."""
    lost = UnknownDestination(name="gone", waiting=1, delivered=0, refused=0)
    done = UnknownDestination(name="done", waiting=0, delivered=9, refused=0)
    listed = DestinationList(request_id="r", destinations=(), unknown=(lost, done))
    (finding,) = stuck_findings(listed, _AT)
    assert (finding.level, finding.check) == (Level.CRITICAL, "delivery-gone")


def test_spans_are_rounded_down() -> None:
    """A clock that was set back gives no negative age."""
    spans = (-5, 59, 60, 3_599, 3_600, 36 * 3_600, 3 * 86_400)
    assert [span_in_words(timedelta(seconds=s)) for s in spans] == [
        *("0 min", "0 min", "1 min", "59 min", "1 h", "36 h", "3 days"),
    ]


def test_for_a_monitor(session: str, handrail: Handrail, fhir_server: FhirServer) -> None:
    """The exit code is a plugin's; the age, the last reason and the next try are in the list."""
    assert handrail("deliver", "status", "--check").out.startswith("DELIVERIES OK: 0 waiting | ")
    handrail("deliver", "add", "ehr", "--fhir", f"http://127.0.0.1:{free_port()}/fhir")
    assert handrail("deliver", "now", session).code == 1
    fine = handrail("deliver", "status", "--check")
    assert (fine.code, fine.out.startswith("DELIVERIES OK: 1 waiting | waiting=1 ")) == (0, True)
    warned = handrail("deliver", "status", "--check", "--warn-after", "0s")
    assert (warned.code, "DELIVERIES WARNING: ehr: 1 session waits" in warned.out) == (1, True)
    assert "the connection is refused" in warned.out
    assert "delivery-ehr: check that the server runs" in warned.out
    options = ("--warn-after", "0s", "--critical-after", "0s", "--json")
    critical = handrail("deliver", "status", "--check", *options)
    assert (critical.code, critical.json["exit_code"], critical.json["waiting"]) == (2, 2, 1)
    assert [one["level"] for one in critical.json["findings"]] == ["critical"]
    (line,) = handrail("deliver", "list", "--json").json
    assert (line["reason"], line["waiting"]) == ("connection_refused", 1)
    assert line["oldest"]
    assert line["next_at"]
    listed = handrail("deliver", "list")
    assert "the connection is refused" in listed.out
    assert "0 min" in listed.out
    assert "check that the server runs" in listed.err
    handrail("deliver", "add", "ehr", "--fhir", fhir_server.base)
    fhir_server.troubles.append(Trouble(422, on="/fhir"))
    assert handrail("deliver", "now", session).code == 1
    assert handrail("deliver", "status", "--check").code == 2
    assert handrail("deliver", "status", "--check", "--warn-after", "soon").code == 2
