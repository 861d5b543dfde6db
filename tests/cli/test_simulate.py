"""`handrail simulate`: whole sessions from the command line."""

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from clients.cli.scratch import scratch_folder
from tests.flow.filling import form_path, here
from tests.waiting import wait_until

from .conftest import INTERRUPTIBLE, PROGRAM, Handrail


def test_sessions_are_played_on_the_box_that_is_named(data: Path, handrail: Handrail) -> None:
    """They are completed, counted, and left on that box."""
    ran = handrail("simulate", "quick-check-in", "--sessions", "3", "--data", data, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["outcomes"] == {"completed": 3}
    listed = handrail("session", "list", "--all", "--data", data, "--json").json
    played = {r["session"] for r in ran.json["results"]}
    assert played <= {line["session"] for line in listed}
    assert all(line["test"] for line in listed if line["session"] in played)


def test_what_is_simulated_is_marked(data: Path, handrail: Handrail) -> None:
    """In the list, in the view, in the record, and in each resource of an export."""
    ran = handrail("simulate", "pre-registration", "--data", data, "--json")
    (session,) = (r["session"] for r in ran.json["results"])
    assert "(test) simulated" in handrail("session", "list", "--all", "--data", data).out
    assert "a rehearsal" in handrail("session", "show", session, "--data", data).out
    assert handrail("session", "show", session, "--data", data, "--json").json["test"] is True
    export = ("session", "export", session, "--data", data, "--format")
    bundle = handrail(*export, "fhir").json
    resources = [bundle, *(entry["resource"] for entry in bundle["entry"])]
    assert len(resources) > 4
    for resource in resources:
        (mark,) = resource["meta"]["security"]
        assert (mark["code"], mark["system"].rpartition("/")[2]) == ("HTEST", "v3-ActReason")
    assert handrail(*export, "json").json["test"] is True
    assert handrail(*export, "questionnaire-response").json["meta"]["security"] == [mark]


def test_a_session_of_a_patient_is_not_marked(data: Path, handrail: Handrail) -> None:
    """Neither in its view nor in its exports."""
    opened = handrail("session", "open", "quick-check-in", "--data", data, "--json").json["session"]
    assert "test" not in handrail("session", "show", opened, "--data", data, "--json").json
    bundle = handrail("session", "export", opened, "--format", "fhir", "--data", data).json
    assert "security" not in json.dumps(bundle)
    assert "HTEST" not in json.dumps(bundle)
    rehearsed = handrail("session", "open", "quick-check-in", "--test", "--data", data, "--json")
    view = handrail("session", "show", rehearsed.json["session"], "--data", data, "--json").json
    assert view["test"] is True


def _devices(handrail: Handrail, data: Path) -> set[str]:
    listed = handrail("device", "list", "--all", "--data", data, "--json").json
    return {line["device"] for line in listed}


def _open(handrail: Handrail, data: Path) -> list[str]:
    listed = handrail("session", "list", "--data", data, "--json").json
    return [line["label"] for line in listed if (line["label"] or "").startswith("simulated")]


def test_no_device_of_it_remains(data: Path, handrail: Handrail) -> None:
    """Also in the list of all: neither revoked nor retired."""
    before = _devices(handrail, data)
    assert handrail("simulate", "quick-check-in", "--sessions", "2", "--data", data).code == 0
    assert _devices(handrail, data) == before


@contextmanager
def _started(words: tuple[str, ...]) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a command that a signal interrupts; kill it in the end, if it still runs."""
    order = [*INTERRUPTIBLE, *words]
    with subprocess.Popen(order, stderr=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill"])
def test_an_interrupted_one_is_cleaned_up(
    number: signal.Signals, data: Path, handrail: Handrail
) -> None:
    """By itself after Ctrl-C, by the next one after a kill: its devices and open sessions."""
    before = _devices(handrail, data)
    slow = ("simulate", "pre-registration", "--sessions=2", "--pace=60", "--data", str(data))
    with _started(slow) as process:
        wait_until(lambda: len(_open(handrail, data)) == 2, "they are open", 60, 0.3)
        process.send_signal(number)
        assert process.wait(60) in (130, -signal.SIGKILL)
    if number == signal.SIGKILL:
        assert _devices(handrail, data) > before
        assert handrail("simulate", "quick-check-in", "--data", data).code == 0
    assert _devices(handrail, data) == before
    assert _open(handrail, data) == []


def test_a_simulation_that_runs_is_left_alone(data: Path, handrail: Handrail) -> None:
    """Another one beside it cleans up nothing of it."""
    slow = ("simulate", "pre-registration", "--pace=60", "--data", str(data))
    with _started(slow) as process:
        wait_until(lambda: len(_open(handrail, data)) == 1, "it is open", 60, 0.3)
        assert handrail("simulate", "quick-check-in", "--data", data).code == 0
        assert len(_open(handrail, data)) == 1
        process.send_signal(signal.SIGINT)
        process.wait(60)
    assert _open(handrail, data) == []


def test_a_box_that_delivers_is_refused(handrail: Handrail, tmp_path: Path) -> None:
    """Unless it is said; and then, nothing simulated is delivered, also on demand."""
    data, folder = tmp_path / "data", tmp_path / "out"
    folder.mkdir()
    added = handrail("deliver", "add", "share", "--folder", folder, "--data", data)
    assert added.code == 0, added.err
    refused = handrail("simulate", "quick-check-in", "--data", data)
    assert (refused.code, "delivers to share" in refused.err) == (1, True)
    ran = handrail("simulate", "quick-check-in", "--with-destinations", "--data", data, "--json")
    assert ran.code == 0, ran.err
    (session,) = (r["session"] for r in ran.json["results"])
    assert handrail("deliver", "now", "--data", data).code == 0
    asked = handrail("deliver", "now", session, "--data", data)
    assert (asked.code, "never delivered" in asked.err) == (1, True)
    (line,) = handrail("deliver", "list", "--data", data, "--json").json
    assert {line[status] for status in ("waiting", "delivered", "refused", "held")} == {0}
    assert list(folder.iterdir()) == []


def test_it_uses_a_box_of_its_own(
    handrail: Handrail, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without --data, whatever the environment and the folder `data` say; responses are left."""
    assert handrail("device", "enrol", "Desk", "--role", "facility").code == 0
    before = (tmp_path / "data" / "handrail.sqlite").read_bytes()
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path / "data"))
    ran = handrail("simulate", "pre-registration", "--seed", "4", "--responses", "answers")
    assert ran.code == 0, ran.err
    assert "1 completed" in ran.out
    (file,) = (tmp_path / "answers").iterdir()
    response = json.loads(file.read_text())
    assert response["status"] == "completed"
    assert (tmp_path / "data" / "handrail.sqlite").read_bytes() == before
    assert {path.name for path in tmp_path.iterdir()} == {"answers", "data"}


def test_what_a_killed_one_left_is_removed(tmp_path: Path) -> None:
    """Its folder, and its box; not that of one that runs, nor what is not ours."""
    left, other = tmp_path / "handrail-x-left", tmp_path / "handrail-x-other"
    (left / "data").mkdir(parents=True)
    (left / "owner").touch()
    other.mkdir()
    free = ("--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
    order = [*PROGRAM, "serve", "--data", str(left / "data"), *free]
    with (
        subprocess.Popen(order, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as box,
        scratch_folder("handrail-x-none", tmp_path),
    ):
        assert box.stdout is not None
        assert b"ready" in box.stdout.readline()
        with scratch_folder("handrail-x-", tmp_path) as mine:
            assert box.wait(10) == -signal.SIGKILL
            with scratch_folder("handrail-x-", tmp_path):
                assert mine.parent.exists()
            assert other.exists()
            assert not left.exists()
    assert [path.name for path in tmp_path.iterdir()] == [other.name]


def test_a_session_that_is_not_completed_is_1(handrail: Handrail) -> None:
    """Who runs out of time says so by the exit code."""
    ran = handrail("simulate", "pre-registration", "--pace", "30", "--timeout", "1s", "--json")
    assert ran.code == 1
    assert ran.json["outcomes"] == {"timeout": 1}


@pytest.mark.parametrize("name", here("paperwork", "ottehr-intake-paperwork"))
def test_a_long_form_is_played_from_its_file(handrail: Handrail, name: str) -> None:
    """An intake form with documents, consents and a signature, three sessions."""
    ran = handrail("simulate", form_path(name), "--sessions", "3", "--json")
    assert ran.code == 0, ran.err
    assert ran.json["completed"] == 3


def test_a_purge_is_previewed(data: Path, handrail: Handrail) -> None:
    """What would go, and what is held back; alone, what the running box does by itself."""
    ran = handrail("simulate", "quick-check-in", "--data", data, "--json")
    (session,) = (r["session"] for r in ran.json["results"])
    preview = ("session", "purge", "--dry-run", "--data", data)
    named = handrail(*preview, session, "--json").json
    assert (named["count"], named["sessions"]) == (1, [session])
    assert "1 session, now" in handrail(*preview, session).out
    aged = handrail(*preview, "--older-than", "0s", "--json").json
    assert session in aged["sessions"]
    soon = handrail(*preview, "--json").json
    assert session in soon["sessions"], "a rehearsal: a day after its end"
    assert "within a day" in handrail(*preview).out
    assert handrail("session", "show", session, "--data", data).code == 0, "nothing was deleted"
    assert handrail("session", "purge", "--dry-run", "--data", data.parent / "none").code == 3
    assert handrail(*preview, "s-none").code == 1
    assert handrail(*preview, session, "--undelivered").code == 2
