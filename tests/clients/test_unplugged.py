"""Connections that break, programs that die, boxes that restart: nothing is lost or done twice."""

from contextlib import ExitStack

import pytest

from clients import NetworkLoop, PatientClient, Refused
from clients.sdk.outbox import Outbox
from schemas.wire.devices import ControllerStatus
from schemas.wire.views import SessionStatus
from tests.clients.conftest import clinic_at

pytestmark = pytest.mark.timeout(60)


def entries(clinic, session):
    """Count the entries of a session in the log."""
    return [line for line in clinic.admin.timeline(session) if line.event == "FieldEntered"]


def test_unsent_entries_arrive_once_and_in_order(clinic):
    """A tablet that is unplugged again and again: each entry is applied once."""
    _, patient, session = clinic.paired()
    pending = []
    for number in range(60):
        pending.append(patient.enter_field(session, "note", f"note {number}"))
        if number % 7 == 3:
            patient.interrupt()
    revisions = [each.result(20).revision for each in pending]
    assert revisions == sorted(revisions)
    assert patient.view(session).fields["note"].value == "note 59"
    assert patient.view(session).acknowledged_seq == 60
    assert len(entries(clinic, session)) == 60


def test_a_device_that_returns_sees_where_the_session_stands(clinic):
    """Without asking: the step that the staff moved to meanwhile."""
    staff, patient, session = clinic.paired()
    patient.enter_field(session, "name", "Zoe").result(5)
    credential = patient.credential
    patient.close()
    staff.navigate(session, "end").result(5)
    back = clinic.patient(credential)
    assert back.wait_for(session).step_id == "end"


def test_refusals_are_heard_through_a_lost_connection(clinic):
    """A command whose refusal was lost is not taken for accepted."""
    staff, _, session = clinic.paired()
    pending = []
    for number in range(30):
        pending.append(staff.navigate(session, "nowhere" if number % 2 else "who"))
        if number % 4 == 1:
            staff.interrupt()
    for number, each in enumerate(pending):
        if number % 2:
            with pytest.raises(Refused, match="unknown_step"):
                each.result(20)
        else:
            assert each.result(20).step_id == "who"


def test_a_program_that_dies_sends_the_rest_when_it_runs_again(clinic, tmp_path):
    """What was tapped offline is on disk, and arrives once after the restart."""
    _, patient, session = clinic.paired()
    credential = patient.credential
    patient.enter_field(session, "name", "Zoe").result(5)
    patient.close()
    dead = PatientClient("mqtt://127.0.0.1:9", credential, outbox=tmp_path)
    dead.start(timeout=None)
    for number in range(25):
        dead.enter_field(session, "note", f"note {number}")
    dead.close()
    again = clinic.patient(credential, outbox=tmp_path)
    again.flush(session)
    assert again.view(session).fields["note"].value == "note 24"
    assert again.view(session).acknowledged_seq == 26
    assert len(entries(clinic, session)) == 26
    assert (tmp_path / f"{session}.outbox").read_bytes() == b""


def test_a_program_that_dies_with_commands_under_way_repeats_none(clinic, tmp_path):
    """Numbers are on disk before a command goes out, so that a resend is known as one."""
    _, patient, session = clinic.paired()
    credential = patient.credential
    patient.close()
    for life in range(5):
        client = clinic.patient(credential, outbox=tmp_path, loop=NetworkLoop())
        client.wait_for(session)
        for number in range(8):
            client.enter_field(session, "note", f"{life}.{number}")
        client._link.interrupt = lambda: None
        client._loop.run(client._link._connection.drop)
        client.close()
        client._loop.stop()
    last = clinic.patient(credential, outbox=tmp_path)
    last.flush(session)
    last.wait_for(session)
    assert last.view(session).fields["note"].value == "4.7"
    assert len(entries(clinic, session)) == 40


def test_the_outbox_file_goes_when_the_session_ends(clinic, tmp_path):
    """Nothing that a patient entered stays on a kiosk."""
    staff = clinic.staff()
    folder = tmp_path / "outbox"
    patient = clinic.patient(outbox=folder)
    opened = staff.open_session("quick")
    patient.join_by_code(opened.code)
    patient.wait_for(opened.session)
    patient.enter_field(opened.session, "name", "Zebulon").result(5)
    staff.cancel(opened.session, "left").result(5)
    patient.wait_for(opened.session, lambda v: v.status is SessionStatus.CANCELLED)
    assert [path.name for path in folder.iterdir()] == ["connection"]


def test_a_device_without_memory_goes_on_from_the_view(clinic):
    """A kiosk whose storage was wiped counts on from `acknowledged_seq`."""
    _, patient, session = clinic.paired()
    for number in range(3):
        patient.enter_field(session, "note", f"{number}").result(5)
    credential = patient.credential
    patient.close()
    again = clinic.patient(credential)
    assert again.enter_field(session, "note", "after").result(5).acknowledged_seq == 4


def test_a_number_that_another_used_is_replaced(clinic):
    """`sequence_reused` costs a round trip and loses nothing."""
    _, patient, session = clinic.paired()
    patient.enter_field(session, "note", "first").result(5)
    side = patient._exchange.side(session)
    with patient._notifier.changed:
        side.outbox = Outbox()
        side.outbox.covered(1, 0)
    assert patient.enter_field(session, "note", "second").result(10).acknowledged_seq == 2
    assert len(entries(clinic, session)) == 2


def test_a_gap_is_filled_from_the_outbox(clinic):
    """A command that the network swallowed is sent again before those behind it."""
    _, patient, session = clinic.paired()
    publish = patient._link.publish
    swallowed = []

    def swallow(message, done=None):
        if "/commands/" in message.topic and len(swallowed) < 1:
            swallowed.append(message)
        else:
            publish(message, done)

    patient._link.publish = swallow
    pending = [patient.enter_field(session, "note", f"{n}") for n in range(5)]
    assert pending[-1].result(5).acknowledged_seq == 5
    assert len(entries(clinic, session)) == 5


def test_a_box_that_restarts_is_found_again(start_box, tmp_path):
    """Commands given while it was away arrive once it is back, and the session stands."""
    data = tmp_path / "data"
    with ExitStack() as life:
        with start_box(data) as box:
            clinic = life.enter_context(clinic_at(box))
            staff, patient, session = clinic.paired()
            started = patient.newest(ControllerStatus).started_at
            patient.enter_field(session, "name", "Zoe").result(5)
        pending = [patient.enter_field(session, "note", f"{n}") for n in range(15)]
        moved = staff.navigate(session, "end")
        life.enter_context(start_box(data, port=box.port))
        # The staff's command may come before the patient's last ones: these are late, and taken.
        assert [each.exception(20) for each in pending] == [None] * 15
        assert moved.result(20).step_id == "end"
        assert patient.wait_until(ControllerStatus, lambda s: s.started_at > started)
        assert len(entries(clinic, session)) == 16
        assert patient.view(session).acknowledged_seq == 16
