"""`handrail deliver`, as facility IT types it: with no box running, and wrongly."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Handrail, handrail  # noqa: F401 - a fixture
from tests.clients.conftest import clinic_at
from tests.conftest import StartBox
from tests.delivery.fhir_server import FhirServer, Trouble
from tests.delivery.test_in_a_box import _OUTCOME, SECRET, _complete


@pytest.fixture
def session(start_box: StartBox, tmp_path: Path) -> str:
    """A session that completed on the data folder `data`, whose box is stopped again."""
    with start_box(tmp_path / "data") as box, clinic_at(box) as clinic:
        return _complete(clinic)


def test_a_session_from_the_command_line(
    session: str,
    handrail: Handrail,  # noqa: F811
    fhir_server: FhirServer,
) -> None:
    """Add a destination, send, see what was refused, correct it, send again, remove it."""
    added = handrail("deliver", "add", "ehr", "--fhir", fhir_server.base, "--json")
    assert added.json["url"] == fhir_server.base
    fhir_server.troubles.append(Trouble(422, body=_OUTCOME, on="/fhir"))
    now = handrail("deliver", "now", session, "--json")
    assert (now.code, now.json) == (1, {"waiting": 0, "refused": 1})
    status = handrail("deliver", "status")
    assert status.code == 1
    assert "refused (422)" in status.out
    assert SECRET not in status.out
    shown = handrail("deliver", "show", session)
    assert f"{SECRET} is no name" in shown.out
    assert handrail("deliver", "retry", "--all").out.split()[-1] == "1"
    assert handrail("deliver", "now").code == 0
    listed = handrail("deliver", "list", "--json").json
    assert [(each["delivered"], each["refused"]) for each in listed] == [(1, 0)]
    assert handrail("deliver", "status", session, "--only", "delivered").code == 0
    assert handrail("deliver", "remove", "ehr").code == 0
    assert handrail("deliver", "list", "--json").json == []
    assert len(fhir_server.store.of("QuestionnaireResponse")) == 1


@pytest.mark.parametrize("form", ["fhir", "json", "csv"])
def test_to_a_folder(
    session: str,
    handrail: Handrail,  # noqa: F811
    tmp_path: Path,
    form: str,
) -> None:
    """A folder that is named from here is found by the box, whatever its own working folder is."""
    (tmp_path / "share").mkdir()
    handrail("deliver", "add", "share", "--folder", "share", "--format", form)
    assert handrail("deliver", "now", session).code == 0
    (file,) = (tmp_path / "share").iterdir()
    assert file.name.startswith(f"main-{session}.")
    assert SECRET.encode() in file.read_bytes()
    if form == "fhir":
        assert json.loads(file.read_bytes())["type"] == "transaction"


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "say one of --fhir"),
        (("--fhir", "https://a.example", "--folder", "."), "say one of --fhir"),
        (("--fhir", "http://a.example"), "not encrypted"),
        (("--fhir", "https://a.example", "--client-id", "box"), "needs --key"),
        (("--folder", "missing"), "is no folder"),
        (("--fhir", "https://a.example", "--token-file", "missing"), "missing is no file"),
        (("--fhir", "https://a.example", "--client-id", "a", "--key", "missing"), "is no file"),
        (("--mqtt", "mqtts://a.example", "--topic", "a", "--ca", "missing"), "is no file"),
        (("--mqtt", "mqtts://a.example"), "needs --topic"),
        (("--mqtt", "mqtts://a.example", "--topic", "a/#"), "no wildcard"),
    ],
)
def test_wrong_use(
    options: tuple[str, ...],
    why: str,
    handrail: Handrail,  # noqa: F811
) -> None:
    """What cannot be a destination is refused before any box is asked."""
    ran = handrail("deliver", "add", "ehr", *options)
    assert ran.code == 2
    assert why in ran.err


def test_retry_needs_to_be_told_what(handrail: Handrail) -> None:  # noqa: F811
    """Neither a session nor --all is wrong use."""
    assert handrail("deliver", "retry").code == 2
    assert handrail("deliver", "status", "--only", "lost").code == 2
