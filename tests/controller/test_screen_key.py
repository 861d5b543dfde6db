"""The key with which a patient's screen encrypts what it stores: the box's to keep and destroy."""

import base64
from pathlib import Path

from session_controller.security.encryption import BoxKeys
from session_controller.security.keys import SessionKeys
from session_controller.storage.store import Store
from tests.clients.conftest import clinic_at
from tests.conftest import StartBox

_BOX = BoxKeys([b"k" * 32])


def _keys() -> SessionKeys:
    wrapped: dict[str, bytes] = {}
    keys = SessionKeys(_BOX, wrapped.get)
    for session in ("s-1", "s-2"):
        name, key = keys.make(session)
        wrapped[name] = key
    return keys


def test_each_screen_of_each_session_has_its_own() -> None:
    """256 bits, derived from the session's key, and the same each time."""
    keys = _keys()
    made = {
        keys.screen_key(session, device)
        for session in ("s-1", "s-2")
        for device in ("kiosk", "phone")
    }
    assert len(made) == 4
    for key in made:
        assert key is not None
        assert len(base64.urlsafe_b64decode(key + "=")) == 32
    again = keys.screen_key("s-1", "kiosk")
    keys.forget("s-1")
    assert keys.screen_key("s-1", "kiosk") is None, "no database is read for it"
    keys.cipher("s-1")
    assert keys.screen_key("s-1", "kiosk") == again


def test_only_the_patients_screen_gets_it_and_only_until_the_end(
    start_box: StartBox, tmp_path: Path
) -> None:
    """It stays the same through a restart and a new box key; the last view has it no more."""
    with start_box(tmp_path) as box, clinic_at(box) as clinic:
        staff, patient, session = clinic.paired()
        key = patient.view(session).storage_key
        assert key is not None
        assert "storage_key" not in staff.view(session).model_dump()
        assert key not in repr(patient.view(session))
        clinic.admin.rotate_key()
        kiosk, desk = patient.credential, staff.credential
    with start_box(tmp_path) as box, clinic_at(box) as clinic:
        patient, staff = clinic.patient(kiosk), clinic.staff(desk)
        assert patient.wait_for(session).storage_key == key
        staff.wait_for(session)
        staff.cancel(session, "over")
        ended = patient.wait_for(session, lambda view: view.status == "cancelled")
        assert ended.storage_key is None
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or key.encode() not in file.read_bytes()


def test_after_a_purge_it_is_gone(start_box: StartBox, tmp_path: Path) -> None:
    """What a screen left on its disk cannot be read any more, not even by the box."""
    with start_box(tmp_path) as box, clinic_at(box) as clinic:
        staff, patient, session = clinic.paired()
        device = patient.credential.device
        store = box.box._store
        assert store is not None
        assert store.screen_key(session, device) is not None
        staff.cancel(session, "over")
        staff.wait_for(session, lambda view: view.status == "cancelled")
        clinic.admin.purge_sessions(session)
        assert store.screen_key(session, device) is None
    assert not _has_key(tmp_path, session)


def _has_key(folder: Path, session: str) -> bool:
    store = Store(folder)
    try:
        return f"session:{session}" in store.key_names()
    finally:
        store.close()
