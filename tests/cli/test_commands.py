"""Each command, against a box that runs, and against a folder where none does."""

import json
import os
import subprocess
from pathlib import Path

import pytest

from clients import AdminClient, Credential, FacilityClient, PatientClient, pair
from schemas.base import Role
from schemas.spec.json_schema import documents

from .conftest import PROGRAM, Handrail

ROOT = Path(__file__).parents[2]
CHECK_IN = ROOT / "flows" / "quick-check-in.json"


def _url(data: Path) -> str:
    url: str = json.loads((data / "box.json").read_text())["mqtt"]
    return url


@pytest.mark.parametrize("command", ["audit list", "config show", "doctor", "--help"])
def test_a_reader_that_has_gone_is_no_fault(command: str, data: Path) -> None:
    """As where a person pipes the output to `head`: nothing is said of it."""
    words = [*PROGRAM, *command.split(), *(() if command == "--help" else ("--data", data))]
    read, write = os.pipe()
    os.close(read)
    ran = subprocess.run(words, stdout=write, stderr=subprocess.PIPE, text=True, check=False)
    os.close(write)
    assert (ran.returncode, ran.stderr) == (1, "")


def test_an_enrolled_screen_can_connect(data: Path, handrail: Handrail) -> None:
    """`device enrol --json` gives all that a device needs."""
    given = handrail("device", "enrol", "Desk", "--role", "facility", "--data", data, "--json").json
    credential = Credential(given["site"], given["device"], Role(given["role"]), given["secret"])
    with FacilityClient(_url(data), credential) as client:
        assert client.online
        listed = handrail("device", "list", "--data", data, "--json").json
        assert [d["online"] for d in listed if d["device"] == given["device"]] == [True]


def test_a_screen_is_enrolled_by_code(data: Path, handrail: Handrail) -> None:
    """`--code` gives a code to type, and no secret."""
    given = handrail(
        "device", "enrol", "K", "--role", "patient", "--code", "--data", data, "--json"
    )
    assert "secret" not in given.json
    assert pair(_url(data), given.json["code"]).device == given.json["device"]


def test_enrolling_needs_no_running_box(tmp_path: Path, handrail: Handrail) -> None:
    """The credential that a folder without a box gives works once one runs."""
    data = tmp_path / "data"
    ran = handrail("device", "enrol", "Kiosk 1", "--role", "patient", "--data", data, "--json")
    assert ran.code == 0
    assert ran.json["device"] == "kiosk-1"
    assert ran.json["site"] == "main"
    assert ran.json["secret"]
    assert not (data / "box.json").exists()
    again = handrail("device", "list", "--data", data, "--json").json
    assert [line["device"] for line in again] == ["kiosk-1"]


def test_a_revoked_screen_is_shown_as_such(data: Path, handrail: Handrail) -> None:
    """`device revoke` ends a credential; of an unknown device it is refused with 1."""
    name = handrail("device", "enrol", "Old", "--role", "patient", "--data", data, "--json").json
    assert handrail("device", "revoke", name["device"], "--data", data).code == 0
    listed = handrail("device", "list", "--all", "--data", data)
    assert "revoked" in listed.out
    ran = handrail("device", "revoke", "nobody", "--data", data)
    assert ran.code == 1
    assert "device list" in ran.err


def test_flows_are_added_and_listed(data: Path, handrail: Handrail) -> None:
    """A flow is added once however often it is added; the built-in ones are there."""
    first = handrail("flow", "add", CHECK_IN, "--data", data, "--json").json
    again = handrail("flow", "add", CHECK_IN, "--data", data, "--json").json
    assert first["flow_ref"] == again["flow_ref"]
    listed = handrail("flow", "list", "--data", data, "--json").json
    assert {line["flow_id"] for line in listed} >= {"pre-registration", first["flow_id"]}
    assert "quick-check-in" in handrail("flow", "list", "--data", data).out


def test_yaml_is_another_spelling(tmp_path: Path, handrail: Handrail) -> None:
    """A questionnaire in YAML is checked and named by its file."""
    file = tmp_path / "feedback.yaml"
    file.write_text(
        "resourceType: Questionnaire\nstatus: active\n"
        "item:\n  - {linkId: a, type: string, text: 'How was it?'}\n"
    )
    ran = handrail("flow", "check", file, "--json")
    assert ran.code == 0
    assert ran.json["flow_id"] == "feedback"
    assert ran.json["fields"] == 1


def test_a_flow_tells_who_the_patient_is(data: Path, tmp_path: Path, handrail: Handrail) -> None:
    """`check` and `add` name the questions for name, birth date and sex, and what is missing."""
    checked = handrail("flow", "check", CHECK_IN)
    assert "last-name" in _value_of(checked.out, "patient's name")
    assert _value_of(checked.out, "patient's birth date") == "birth-date"
    assert _value_of(checked.out, "patient's sex") == "missing"
    assert "held" not in checked.err, "who it is, is known without the sex"
    file, mapping = tmp_path / "plain.json", tmp_path / "mapping.json"
    born = {"linkId": "born", "type": "date"}
    form = {"resourceType": "Questionnaire", "id": "plain", "status": "active", "item": [born]}
    file.write_text(json.dumps(form))
    nobody = {"name": [], "birth_date": [], "gender": []}
    assert handrail("flow", "check", file, "--json").json["patient"] == nobody
    assert "patient's name and birth date" in handrail("flow", "check", file).err
    elements = {"birthDate": "born"}
    rules = {"resources": {"patient": {"type": "Patient", "elements": elements}}}
    mapping.write_text(json.dumps(rules))
    options = (file, "--mapping", mapping)
    for ran in (
        handrail("flow", "check", *options),
        handrail("flow", "add", *options, "--data", data),
    ):
        assert ran.code == 0
        assert _value_of(ran.out, "patient's birth date") == "born (may stay empty)"
        assert "for the patient's name, or maps" in ran.err
    added = handrail("flow", "add", *options, "--data", data, "--json").json
    assert added["patient"] == {**nobody, "birth_date": ["born"]}
    mapping.write_text(json.dumps(rules).replace('"born"', '"nothing"'))
    wrong = handrail("flow", "check", *options)
    assert wrong.code == 1
    assert '"nothing" is not a linkId of this flow' in wrong.err


def test_a_consent_that_nobody_can_read_is_refused_alike(
    data: Path, tmp_path: Path, handrail: Handrail
) -> None:
    """`check` refuses what `add` refuses, with its place."""
    file, mapping = tmp_path / "plain.json", tmp_path / "mapping.json"
    agree = {"linkId": "agree", "type": "boolean", "text": "I accept the [Notice](/notice.pdf)"}
    form = {"resourceType": "Questionnaire", "id": "plain", "status": "active", "item": [agree]}
    file.write_text(json.dumps(form))
    patient = {"type": "Patient", "elements": {"active": "agree"}}
    rules = {"resources": {"patient": patient}, "consents": {"agree": "treatment"}}
    mapping.write_text(json.dumps(rules))
    options = (file, "--mapping", mapping)
    for ran in (
        handrail("flow", "check", *options),
        handrail("flow", "add", *options, "--data", data),
    ):
        assert ran.code == 1
        assert 'consents.agree: points to "/notice.pdf"' in ran.err


def _value_of(out: str, name: str) -> str:
    (line,) = (line for line in out.splitlines() if line.startswith(name))
    return line.removeprefix(name).strip()


def test_a_flow_that_cannot_be_used_is_refused_with_every_reason(
    tmp_path: Path, handrail: Handrail
) -> None:
    """`check` and `add` name the place, and end with 1; no box is asked."""
    file = tmp_path / "broken.json"
    file.write_text(
        json.dumps(
            {
                "resourceType": "Questionnaire",
                "status": "active",
                "item": [{"type": "string"}, {"linkId": "b", "type": "no-such-type"}],
            }
        )
    )
    for command in ("check", "add"):
        ran = handrail("flow", command, file)
        assert ran.code == 1
        assert "Questionnaire.item[0]" in ran.err
        assert "Questionnaire.item[1]" in ran.err
    assert handrail("flow", "check", file, "--json").json["usable"] is False
    assert handrail("flow", "check", tmp_path / "nothing.json").code == 2


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "mapping: must be a JSON object"),
        ("no", "mapping: is not JSON"),
        ('{"resurces": {}}', "mapping.resurces: is not a known key"),
    ],
)
def test_a_mapping_that_is_none_is_refused_as_such(
    data: Path, handrail: Handrail, tmp_path: Path, content: str, said: str
) -> None:
    """What is wrong with the mapping is not said of the questionnaire."""
    mapping = tmp_path / "mapping.json"
    mapping.write_text(content)
    ran = handrail("flow", "add", CHECK_IN, "--mapping", mapping, "--data", data)
    assert ran.code == 1
    assert said in ran.err
    assert "uestionnaire" not in ran.err


def test_a_mapping_is_not_lost_silently(data: Path, handrail: Handrail, tmp_path: Path) -> None:
    """To add a form again keeps its mapping, says so, and drops it on demand only."""
    file, mapping = tmp_path / "kept.json", tmp_path / "kept.mapping.json"
    form = {"resourceType": "Questionnaire", "status": "active", "id": "kept", "title": "Kept"}
    item = {"linkId": "surname", "type": "string", "text": "Surname"}
    file.write_text(json.dumps(form | {"item": [item]}))
    patient = {"type": "Patient", "elements": {"name.family": "surname"}}
    mapping.write_text(json.dumps({"resources": {"patient": patient}}))
    add = ("flow", "add", file, "--data", data)
    assert handrail(*add, "--mapping", mapping, "--json").json["patient"]["name"] == ["surname"]
    again = handrail(*add)
    assert "kept from the earlier version" in again.out
    assert handrail(*add, "--json").json["patient"]["name"] == ["surname"]
    file.write_text(json.dumps(form | {"item": [item | {"linkId": "family"}]}))
    unfit = handrail(*add)
    assert (unfit.code, "The mapping of the earlier version" in unfit.err) == (1, True), unfit.err
    dropped = handrail(*add, "--without-mapping", "--json").json
    assert (dropped["kept_mapping"], dropped["patient"]["name"]) == (False, [])
    assert handrail(*add, "--without-mapping", "--mapping", mapping).code == 2


def test_a_session_is_opened_shown_ended_exported_and_deleted(
    data: Path, handrail: Handrail
) -> None:
    """The life of a session, from the command line alone."""
    opened = handrail("session", "open", "quick-check-in", "--label", "Room 3", "--data", data)
    assert "code" in opened.out
    session = handrail("session", "list", "--data", data, "--json").json[0]["session"]
    assert handrail("session", "show", session, "--data", data, "--json").json["label"] == "Room 3"
    assert session in handrail("session", "show", session, "--data", data).out
    ran = handrail("session", "purge", session, "--data", data)
    assert ran.code == 1, "an open session is not deleted"
    assert handrail("session", "cancel", session, "--reason", "gone", "--data", data).code == 0
    story = handrail("session", "timeline", session, "--data", data, "--json").json
    assert story[0]["event"] == "SessionOpened"
    assert story[-1]["event"] == "Cancelled"
    assert "Cancelled" in handrail("session", "timeline", session, "--data", data).out
    response = handrail("session", "export", session, "--data", data).json
    assert response["resourceType"] == "QuestionnaireResponse"
    assert response["status"] == "stopped"
    assert session not in handrail("session", "list", "--data", data).out
    assert session in handrail("session", "list", "--all", "--data", data).out
    purged = handrail("session", "purge", session, "--data", data, "--json")
    assert purged.json["sessions"] == [session]
    assert handrail("session", "show", session, "--data", data).code == 1


def test_an_export_is_its_owners_alone(data: Path, handrail: Handrail, tmp_path: Path) -> None:
    """`--output` writes a file that others cannot read."""
    session = handrail("session", "open", "quick-check-in", "--data", data, "--json").json[
        "session"
    ]
    file = tmp_path / "answers.json"
    assert handrail("session", "export", session, "--output", file, "--data", data).code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert json.loads(file.read_text())["status"] == "in-progress"


def test_sessions_are_deleted_by_age(data: Path, handrail: Handrail) -> None:
    """`--older-than` takes what ended before; naming nothing is wrong use."""
    session = handrail("session", "open", "quick-check-in", "--data", data, "--json").json[
        "session"
    ]
    handrail("session", "cancel", session, "--reason", "gone", "--data", data)
    kept = handrail("session", "purge", "--older-than", "1h", "--data", data, "--json").json
    assert kept == {"sessions": [], "purged": 0, "kept": [], "kept_count": 0}
    gone = handrail("session", "purge", "--older-than", "0s", "--data", data, "--json").json
    assert gone["purged"] > 0
    assert handrail("session", "show", session, "--data", data).code == 1
    assert handrail("session", "purge", "--data", data).code == 2


def test_a_named_kiosk_and_host_are_paired(data: Path, handrail: Handrail) -> None:
    """With `--kiosk` no code is needed, with `--host` a staff's screen leads."""
    desk, kiosk = (
        handrail("device", "enrol", name, "--role", role, "--data", data, "--json").json
        for name, role in (("Lead", "facility"), ("Follow", "patient"))
    )
    options = ("--host", desk["device"], "--kiosk", kiosk["device"], "--data", data, "--json")
    opened = handrail("session", "open", "quick-check-in", *options).json
    assert "code" not in opened
    credential = Credential("main", kiosk["device"], Role.PATIENT, kiosk["secret"])
    with PatientClient(_url(data), credential) as client:
        assert client.wait_for(opened["session"]).session == opened["session"]
    line = handrail("session", "list", "--data", data, "--json").json[0]
    assert line["host"] == desk["device"]


def test_a_session_without_host_waits_for_a_staffs_screen(data: Path, handrail: Handrail) -> None:
    """Nobody leads what a command opened, until a staff's screen takes it over."""
    desk = handrail("device", "enrol", "Taker", "--role", "facility", "--data", data, "--json").json
    opened = handrail("session", "open", "quick-check-in", "--data", data, "--json").json
    session = opened["session"]
    assert handrail("session", "show", session, "--data", data, "--json").json["participants"] == {}
    credential = Credential("main", desk["device"], Role.FACILITY, desk["secret"])
    with FacilityClient(_url(data), credential) as staff:
        staff.join_session(session)
        view = staff.take_over(session).result(10)
        assert view.participants[desk["device"]].host
        assert view.code == opened["code"]


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("session", "show", "s-none"), "session list"),
        (("session", "open", "no-such-flow"), "flow list"),
        (("session", "cancel", "s-none", "--reason", "x"), "session list"),
        (("simulate", "no-such-flow"), "pre-registration"),
    ],
)
def test_a_refusal_says_what_to_do_next(
    data: Path, handrail: Handrail, arguments: tuple[str, ...], hint: str
) -> None:
    """Exit code 1, a sentence, and the next command."""
    ran = handrail(*arguments, "--data", data)
    assert ran.code == 1
    assert hint in ran.err
    assert ran.out == ""


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("device", "enrol", "", "--role", "patient"), "NAME must not be empty"),
        (("device", "enrol", "x" * 65, "--role", "patient"), "NAME must be at most 64 characters"),
        (
            ("session", "open", "quick-check-in", "--label", "x" * 300),
            "--label must be at most 120 characters",
        ),
        (("session", "cancel", "s-1", "--reason", ""), "--reason must not be empty"),
        (("session", "show", "S 1"), "the session id must be 1 to 64 characters of a-z"),
        (("session", "purge", "S 1"), "each session id must be 1 to 64 characters of a-z"),
        (("device", "revoke", "Kiosk 1"), "DEVICE must be 1 to 64 characters of a-z"),
        (("document", "fetch", "s-1", ""), "FIELD must not be empty"),
        (("deliver", "remove", "EHR"), "NAME must be 1 to 64 characters of a-z"),
        (("acl", "--site", "Main St"), "--site must be 1 to 64 characters of a-z"),
    ],
)
def test_a_value_beyond_its_limit_is_wrong_use(
    data: Path, handrail: Handrail, arguments: tuple[str, ...], said: str
) -> None:
    """Exit code 2, and a sentence that names the value and its limit."""
    ran = handrail(*arguments, "--data", data)
    assert ran.code == 2
    assert said in ran.err
    assert "internal error" not in ran.err


def test_no_box_is_3(tmp_path: Path, handrail: Handrail) -> None:
    """What needs a running box says so."""
    ran = handrail("session", "watch", "s-1", "--data", tmp_path / "none")
    assert ran.code == 3
    assert "handrail serve" in ran.err


def test_all_admin_devices_taken_is_3(
    data: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A ninth command at the same time waits, and then gives up."""
    import fcntl  # noqa: PLC0415

    monkeypatch.setattr("cli._PATIENCE_S", 0.3)
    handles = [(data / f"admin-{n}.lock").open("a") for n in range(1, 9)]
    try:
        for handle in handles:
            fcntl.flock(handle, fcntl.LOCK_EX)
        ran = handrail("flow", "list", "--data", data)
    finally:
        for handle in handles:
            handle.close()
    assert ran.code == 3
    assert "try again" in ran.err


def test_schema_writes_the_published_files(tmp_path: Path, handrail: Handrail) -> None:
    """`schema` prints and writes what the types say."""
    assert handrail("schema").json["$defs"]
    assert handrail("schema", "--asyncapi").json["asyncapi"]
    assert handrail("schema", "--write", tmp_path / "out").code == 0
    for name, text in documents().items():
        assert (tmp_path / "out" / name).read_text() == text


def test_doctor_finds_a_folder_well_and_changes_nothing(data: Path, handrail: Handrail) -> None:
    """With the box running, which may tidy its own database meanwhile."""
    files = [path for path in data.iterdir() if not path.name.startswith("handrail.sqlite")]
    before = {path: path.stat().st_mtime_ns for path in files}
    ran = handrail("doctor", "--data", data, "--json")
    assert ran.code == 0, ran.out
    assert ran.json["well"]
    assert {path: path.stat().st_mtime_ns for path in files} == before


def test_doctor_finds_what_is_ill(tmp_path: Path, handrail: Handrail) -> None:
    """A folder that others may read or is not there, a wrong key or none, no database at all."""
    assert handrail("doctor", "--data", tmp_path / "none").code == 2
    data = tmp_path / "data"
    handrail("device", "enrol", "Desk", "--role", "facility", "--data", data)
    before = (data / "handrail.sqlite").read_bytes()
    assert handrail("doctor", "--data", data).code == 0
    assert (data / "handrail.sqlite").read_bytes() == before
    data.chmod(0o755)
    ran = handrail("doctor", "--data", data)
    assert ran.code == 2
    assert f"chmod -R go= {data}" in ran.out
    data.chmod(0o700)
    key = (data / "box.key").read_bytes()
    (data / "box.key").write_bytes(b"k" * 32)
    ran = handrail("doctor", "--data", data)
    assert ran.code == 2
    assert "another box" in ran.out
    (data / "box.key").unlink()
    ran = handrail("doctor", "--data", data)
    assert ran.code == 2
    assert f"put back {data}/box.key" in ran.out
    (data / "box.key").write_bytes(key)
    (data / "box.key").chmod(0o600)
    assert handrail("doctor", "--data", data).code == 0
    (data / "handrail.sqlite").write_bytes(b"not a database" * 1000)
    ran = handrail("doctor", "--data", data)
    assert ran.code == 2
    assert "restore a backup" in ran.out


def test_a_damaged_database_is_told_not_thrown(tmp_path: Path, handrail: Handrail) -> None:
    """Every command says it in a line."""
    data = tmp_path / "data"
    data.mkdir(mode=0o700)
    (data / "handrail.sqlite").write_bytes(b"not a database" * 1000)
    ran = handrail("flow", "list", "--data", data)
    assert ran.code == 1
    assert "restore a backup" in ran.err
    assert "Traceback" not in ran.err


def test_the_data_folder_comes_from_the_environment(
    data: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`HANDRAIL_DATA` stands for `--data`."""
    monkeypatch.setenv("HANDRAIL_DATA", str(data))
    assert handrail("flow", "list").code == 0
    assert not Path("data").exists()


def test_the_admin_sees_what_the_command_line_did(data: Path, handrail: Handrail) -> None:
    """Commands go through the controller: the answer is the same as an admin's client gets."""
    secrets = json.loads((data / "admin.json").read_text())
    credential = Credential("main", "admin-8", Role.ADMIN, secrets["admin-8"])
    opened = handrail("session", "open", "quick-check-in", "--data", data, "--json").json
    with AdminClient(_url(data), credential) as admin:
        assert opened["session"] in {line.session for line in admin.list_sessions()}
