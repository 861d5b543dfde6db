"""A PUBACK means "on disk", over both links; MQTT delivers again what was not stored."""

import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from session_controller.settings import Settings
from session_controller.storage.store import Store
from session_controller.storage.transaction import Transaction
from tests.conftest import StartBox
from tests.contract.forms import VISIT
from tests.contract.raw import ROOT, Device, Pair, on, room
from tests.contract.serving import admins_of, mosquitto
from tests.contract.test_external_broker import controller
from tests.machine import free_port

_IMPATIENT = Settings(commit_patience=timedelta(seconds=2))

pytestmark = pytest.mark.timeout(90)


@contextmanager
def _full_disk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fail every transaction of this process, as on a full disk."""

    def write(_store: Store, _transaction: Transaction) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "write", write)
        yield


def _refused(device: Device, session: str, since: int) -> None:
    """Wait until the device has been told `unavailable`."""
    found = device.wait(on(f"{ROOT}/sessions/{session}/rejections/{device.device}"), since)
    assert found.json["code"] == "unavailable"


def test_the_embedded_broker_withholds_the_puback(
    start_box: StartBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender's connection ends without a PUBACK; sent again on the next, it is stored, once."""
    with (
        start_box(tmp_path / "data", settings=_IMPATIENT) as box,
        room(box.port, box.admins) as here,
    ):
        pair = Pair(here, VISIT)
        patient, before = pair.patient, pair.both()[1]["revision"]
        topic = f"{ROOT}/sessions/{pair.session}/commands/{patient.device}"
        command = {
            "v": 1,
            "type": "ENTER_FIELD",
            "command_id": str(uuid.uuid4()),
            "seq": 1,
            "sent_at": "2026-11-22T10:15:02.120Z",
            "field_id": "name",
            "value": "Ada",
        }
        with _full_disk(monkeypatch):
            since = patient.mark()
            assert not patient.deliver(topic, command), "a PUBACK for what is not on disk"
            _refused(patient, pair.session, since)
        patient.online()
        for _ in range(2):
            assert patient.deliver(topic, command)
        view = patient.sync(pair.session)
        assert view["acknowledged_seq"] == 1
        assert view["fields"]["name"] == {"value": "Ada"}
        at_entry = next(v for v in patient.views(pair.session) if v["acknowledged_seq"] == 1)
        assert before < at_entry["revision"] == view["revision"], "it was stored twice"
        assert box.box.counters.get("bugs", 0) == 0


def test_another_broker_delivers_again_what_was_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The controller cuts its own connection; Mosquitto delivers again, and nobody resends."""
    port, data = free_port(), tmp_path / "data"
    with (
        mosquitto(tmp_path / "broker", port),
        controller(data, port, _IMPATIENT) as box,
        room(port, admins_of(data)) as here,
    ):
        pair = Pair(here, VISIT)
        patient = pair.patient
        with _full_disk(monkeypatch):
            since = patient.mark()
            first = patient.send(pair.session, "ENTER_FIELD", field_id="name", value="Ada")
            second = patient.send(pair.session, "ENTER_FIELD", field_id="name", value="Grace")
            _refused(patient, pair.session, since)
        view = patient.view(
            pair.session, lambda v: v["acknowledged_seq"] == second["seq"], deadline=40
        )
        assert first["seq"] + 1 == second["seq"]
        assert view["fields"]["name"] == {"value": "Grace"}
        assert box.counters.get("bugs", 0) == 0
