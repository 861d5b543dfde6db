"""A data folder that has been in use, and is well: each test has a copy."""

import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.wire.destinations import FolderDestination
from session_controller.security.encryption import required_box_keys
from session_controller.security.own_tls import OwnTls, WantedHosts
from tests.clients.conftest import clinic_at
from tests.conftest import starting_box
from tests.pictures import png


@pytest.fixture(scope="session")
def used(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a folder with a session, its document, a destination, a certificate and a backup."""
    data = tmp_path_factory.mktemp("used") / "data"
    with starting_box(data) as box, clinic_at(box) as clinic:
        (data / "share").mkdir(mode=0o700)
        share = FolderDestination(name="share", folder=str(data / "share"), format="pdf")
        clinic.admin.add_destination(share)
        _, patient, session = clinic.paired()
        patient.upload(session, "card", png(8), "image/png")
        clinic.admin.back_up()
    OwnTls(data).create("main", WantedHosts(), required_box_keys(data), datetime.now(UTC))
    return data


@pytest.fixture
def data(used: Path, tmp_path: Path) -> Path:
    """Return a copy of it."""
    return shutil.copytree(used, tmp_path / "data")
