"""`handrail deliver`, as facility IT types it: with no box running, and wrongly."""

import hashlib
import json
import stat
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
    assert (now.code, now.json) == (1, {"waiting": 0, "refused": 1, "held": 0})
    status = handrail("deliver", "status")
    assert status.code == 1
    assert "refused: the server does not accept the content (422)" in status.out
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


def _told(handrail: Handrail, session: str, sha256: str) -> None:  # noqa: F811
    """Check that the log and the deliveries name the hash of what was sent."""
    assert sha256 in handrail("deliver", "show", session).out
    (line,) = handrail("deliver", "status", session, "--json").json["deliveries"]
    assert line["sha256"] == sha256
    listed = handrail("audit", "list", "--session", session, "--json").out
    entries = [json.loads(entry) for entry in listed.splitlines()]
    (about,) = (entry["about"] for entry in entries if entry["what"] == "DeliveryChanged")
    assert about == {"destination": "share", "status": "delivered", "sha256": sha256}


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
    file, seal = sorted((tmp_path / "share").iterdir())
    assert file.name.startswith(f"main-{session}.")
    assert SECRET.encode() in file.read_bytes()
    key = handrail("key", "show", "--json").json["public_key"]
    verified = handrail("record", "verify", file, "--key", key, "--json")
    assert (verified.code, verified.json["genuine"]) == (0, True)
    assert verified.json["seal"]["session"] == session
    assert seal.name == f"{file.name}.seal.json"
    if form == "fhir":
        assert json.loads(file.read_bytes())["type"] == "transaction"
    _told(handrail, session, hashlib.sha256(file.read_bytes()).hexdigest())
    again = tmp_path / "again"
    ran = handrail("deliver", "export", session, "share", "--output", again)
    assert ran.code == 0, ran.err
    assert again.read_bytes() == file.read_bytes()
    assert (tmp_path / "again.seal.json").read_bytes() == seal.read_bytes()
    file.write_bytes(file.read_bytes().replace(SECRET.encode(), b"Somebody Else"))
    assert handrail("record", "verify", file, "--key", key).code == 1


def test_restored_elsewhere_it_delivers(
    session: str,
    handrail: Handrail,  # noqa: F811
    fhir_server: FhirServer,
    tmp_path: Path,
) -> None:
    """A backup brings the destinations, and their secrets that are in the data folder."""
    token, copy = tmp_path / "data" / "ehr.token", tmp_path / "box.backup"
    token.write_text("sesame")
    fhir_server.static_token = "sesame"
    added = handrail("deliver", "add", "ehr", "--fhir", fhir_server.base, "--token-file", token)
    assert added.code == 0, added.err
    fhir_server.troubles.append(Trouble(503, on="/fhir"))
    assert handrail("deliver", "now", session, "--json").json == {
        "waiting": 1,
        "refused": 0,
        "held": 0,
    }
    assert handrail("backup", "--to", copy).code == 0
    files = [path for path in copy.rglob("*") if path.is_file()]
    assert not [path for path in files if b"sesame" in path.read_bytes()]
    for path in (tmp_path / "data").rglob("*"):
        path.unlink() if path.is_file() else None
    there = tmp_path / "elsewhere" / "box"
    restored = handrail("restore", copy, "--data", there, "--json")
    assert restored.json["by_hand"] == []
    assert stat.S_IMODE((there / "ehr.token").stat().st_mode) == 0o600
    assert handrail("deliver", "now", "--data", there).code == 0
    assert len(fhir_server.store.of("QuestionnaireResponse")) == 1


@pytest.mark.usefixtures("session")
def test_what_a_backup_cannot_contain_is_listed(
    handrail: Handrail,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Files and folders elsewhere, and destinations of the folder that the backup does not know."""
    share, password = tmp_path / "share", tmp_path / "broker.password"
    share.mkdir()
    password.write_text("sesame")
    handrail("deliver", "add", "share", "--folder", share)
    order = ("--mqtt", "mqtts://b.example", "--topic", "in", "--username", "box")
    handrail("deliver", "add", "central", *order, "--password-file", password)
    backup = handrail("backup", "--json").json["file"]
    assert handrail("restore", backup).err.splitlines()[-1].startswith("the previous database")
    handrail("deliver", "add", "later", "--folder", share)
    share.rmdir()
    password.unlink()
    ran = handrail("restore", backup)
    assert ran.code == 0
    assert "still to be given by hand:" in ran.err
    assert f"- share: the folder {share} does not exist" in ran.err
    assert f"- central: {password} does not exist or cannot be read" in ran.err
    assert "- later: a destination of this folder before" in ran.err
    doctor = handrail("doctor")
    assert doctor.code == 1, doctor.out
    assert f"share: the folder {share} does not exist" in doctor.out


def test_a_lost_destination_is_shouted_about(
    *,
    session: str,
    start_box: StartBox,
    handrail: Handrail,  # noqa: F811
    fhir_server: FhirServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What waits for it is kept, named everywhere, and joined by what completes meanwhile."""
    handrail("deliver", "add", "ehr", "--fhir", fhir_server.base)
    fhir_server.troubles.append(Trouble(503, on="/fhir"))
    assert handrail("deliver", "now", session).code == 1
    (tmp_path / "data" / "delivery.json").unlink()
    with start_box(tmp_path / "data", deliver=True) as box, clinic_at(box) as clinic:
        assert "1 session is not delivered to ehr, which is not a destination" in caplog.text
        later = _complete(clinic)
    listed = handrail("deliver", "list", "--json")
    assert listed.code == 1
    (line,) = listed.json
    assert (line["destination"]["kind"], line["waiting"]) == ("unknown", 2)
    for command in (("list",), ("status",), ("now",)):
        ran = handrail("deliver", *command)
        assert ran.code == 1
        assert "ehr is not a destination of this box any more" in ran.err
    assert "not configured any more" in handrail("deliver", "status", later).out
    assert "not configured any more" in handrail("deliver", "show", later).out
    doctor = handrail("doctor")
    assert doctor.code == 2
    assert "2 sessions are not delivered to ehr" in doctor.out
    purged = handrail("session", "purge", "--older-than", "0s", "--json")
    assert (purged.json["purged"], purged.json["kept_count"]) == (0, 2)
    assert later in purged.err
    handrail("deliver", "add", "ehr", "--fhir", fhir_server.base)
    assert handrail("deliver", "now").code == 0
    assert handrail("doctor").code == 0
    assert len(fhir_server.store.of("QuestionnaireResponse")) == 2


def test_a_lost_destination_is_given_up(
    session: str,
    handrail: Handrail,  # noqa: F811
    fhir_server: FhirServer,
    tmp_path: Path,
) -> None:
    """Who does not want it any more says so; then nothing waits, and nothing is shouted."""
    handrail("deliver", "add", "ehr", "--fhir", fhir_server.base)
    fhir_server.troubles.append(Trouble(503, on="/fhir"))
    handrail("deliver", "now", session)
    (tmp_path / "data" / "delivery.json").unlink()
    refused = handrail("deliver", "remove", "ehr")
    assert refused.code == 1
    assert "1 sessions are not delivered to ehr yet" in refused.err
    assert handrail("deliver", "remove", "ehr", "--undelivered").code == 0
    assert handrail("deliver", "list").code == 0
    assert handrail("doctor").code == 0
    assert handrail("deliver", "remove", "ehr").code == 1


def test_what_was_not_sent_is_said(
    session: str,
    handrail: Handrail,  # noqa: F811
    fhir_server: FhirServer,
    tmp_path: Path,
) -> None:
    """An export that is not what was delivered says so; there is none without a destination."""
    handrail("deliver", "add", "ehr", "--fhir", fhir_server.base)
    ran = handrail("deliver", "export", session, "ehr", "--output", tmp_path / "ehr.json")
    assert ran.code == 1
    assert "not what was sent to ehr, which was: nothing yet" in ran.err
    assert handrail("deliver", "now", session).code == 0
    ran = handrail("deliver", "export", session, "ehr", "--output", tmp_path / "ehr.json")
    assert ran.code == 0
    assert (tmp_path / "ehr.json").read_bytes() in fhir_server.bodies
    assert handrail("deliver", "export", session, "nowhere").code == 1


def test_a_rule_purges_nothing_that_waits(
    session: str,
    handrail: Handrail,  # noqa: F811
    fhir_server: FhirServer,
) -> None:
    """Not even with --undelivered, which is for sessions that are named."""
    handrail("deliver", "add", "ehr", "--fhir", fhir_server.base)
    fhir_server.troubles.append(Trouble(503, on="/fhir"))
    handrail("deliver", "now", session)
    rule = ("session", "purge", "--older-than", "0s")
    assert handrail(*rule, "--undelivered").code == 2
    kept = handrail(*rule)
    assert kept.code == 0
    assert f"kept, as not delivered yet: {session}" in kept.err
    named = handrail("session", "purge", session)
    assert named.code == 1
    assert f"{session} is not delivered to ehr yet" in named.err
    both = handrail(*rule[:2], session, *rule[2:], "--undelivered", "--json")
    assert (both.json["sessions"], both.json["kept"]) == ([session], [])


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ((), "pass exactly one of --fhir"),
        (("--fhir", "https://a.example", "--folder", "."), "pass exactly one of --fhir"),
        (("--fhir", "http://a.example"), "pass --plain"),
        (("--mqtt", "mqtt://a.example", "--topic", "a"), "pass --plain"),
        (("--mqtt", "http://a.example", "--topic", "a"), "--mqtt must be a broker's address"),
        (("--fhir", "https://a.example", "--transactions", "no"), "--transactions must be 'auto'"),
        (("--fhir", "https://a.example", "--client-id", "box"), "requires --key"),
        (("--folder", "missing"), "is not a folder"),
        (("--fhir", "https://a.example", "--token-file", "missing"), "missing is not a file"),
        (("--fhir", "https://a.example", "--client-id", "a", "--key", "missing"), "is not a file"),
        (("--mqtt", "mqtts://a.example", "--topic", "a", "--ca", "missing"), "is not a file"),
        (("--mqtt", "mqtts://a.example"), "requires --topic"),
        (("--mqtt", "mqtts://a.example", "--topic", "a/#"), "wildcards"),
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
