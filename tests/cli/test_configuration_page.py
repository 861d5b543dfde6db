"""docs/reference/configuration.md has each setting of the program, and no other."""

import json
import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli import app
from schemas.wire.destinations import (
    ClientCredentials,
    Destinations,
    FhirDestination,
    FolderDestination,
    MqttDestination,
    StaticToken,
)
from session_controller.backup.drill import DRILL_FILE
from session_controller.backup.manifest import FOLDER as BACKUPS
from session_controller.backup.off_box import STATE_FILE
from session_controller.backup.outlook import ASIDE
from session_controller.configuration.page import with_table
from session_controller.configuration.sections import by_option
from session_controller.configuration.values import written
from session_controller.data_folder import (
    ADMINS_FILE,
    BOX_FILE,
    CONFIGURATION_FILE,
    DELIVERY_FILE,
    REHEARSAL_LOCK,
)
from session_controller.integrity.verified_point import POINT_FILE
from session_controller.security.encryption import KEY_FILE
from session_controller.security.own_tls import FOLDER as TLS
from session_controller.security.recovery import RECOVERY_FILE
from session_controller.storage.ballast import BALLAST
from session_controller.storage.database import DATABASE, DOCUMENTS_DRAFT, DRAFT, RESTORING
from session_controller.storage.documents import FOLDER as DOCUMENTS
from tests.conftest import ROOT
from tests.pages import codes, first_codes, rows, section

from .conftest import Handrail

PAGE = "reference/configuration.md"
_READ = re.compile(r'environ(?:ment)?(?:\.get\(|\[)"(\w+)"|"(\w+)" in os\.environ|"(HANDRAIL_\w+)"')


def _sources() -> Iterator[Path]:
    """Yield the modules of the program; what builds the pages reads npm's own variables."""
    yield ROOT / "cli.py"
    for folder in ("broker", "clients", "schemas", "session_controller"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            if ROOT / "clients/web" not in path.parents:
                yield path


def test_each_environment_variable_has_one_row() -> None:
    """Those that a module reads or an option names: all of them are on the page."""
    read = {"".join(names) for path in _sources() for names in _READ.findall(path.read_text())}
    assert sorted(first_codes(PAGE, "## Environment variables")) == sorted(read)


def test_the_page_has_each_key() -> None:
    """As the sections of the configuration say it."""
    text = (ROOT / "docs" / PAGE).read_text()
    assert with_table(text) == text


def test_each_option_of_serve_sets_a_key() -> None:
    """With the default and the help of the key; and each key's option is there."""
    command: Any = typer.main.get_command(app)
    params = {one.opts[0]: one for one in command.commands["serve"].params}
    keys = by_option()
    assert list(params) == ["--data", "--config", *keys]
    for name, one in keys.items():
        assert params[name].help == one.said.about
        assert params[name].name == one.parameter
        assert params[name].envvar is None
        if one.default is not None:
            assert str(params[name].default).lower() == written(one.default)


@pytest.fixture
def used(tmp_path: Path, handrail: Handrail) -> Path:
    """Return a data folder that was used, backed up and restored."""
    data = tmp_path / "data"
    for words in (
        ("device", "enrol", "Desk", "--role", "facility"),
        ("deliver", "add", "out", "--folder", "."),
        ("key", "recovery", "create"),
        ("tls", "create"),
        ("config", "create"),
    ):
        assert handrail(*words, "--data", str(data)).code == 0
    assert handrail("restore", str(data / BACKUPS), "--data", str(data)).code == 0
    assert handrail("flow", "list", "--data", str(data)).code == 0
    return data


def test_each_file_of_a_data_folder_has_a_row(used: Path) -> None:
    """What stands in a folder is on the page, and what is on the page is the code's."""
    told = [name.rstrip("/") for name in first_codes(PAGE, "## Files in the data folder")]
    there = [path.name for path in used.iterdir()]
    assert [name for name in there if not any(fnmatchcase(name, one) for one in told)] == []
    known = [
        *(f"{DATABASE}{suffix}" for suffix in ("", "-wal", "-shm")),
        *(
            DOCUMENTS,
            KEY_FILE,
            TLS,
            CONFIGURATION_FILE,
            DELIVERY_FILE,
            ADMINS_FILE,
            RECOVERY_FILE,
            BACKUPS,
            f"{ASIDE}*",
            STATE_FILE,
            DRILL_FILE,
            POINT_FILE,
            BALLAST,
            BOX_FILE,
        ),
        *("lock", "admin-*.lock", REHEARSAL_LOCK, RESTORING, DRAFT, DOCUMENTS_DRAFT, "*.new"),
    ]
    assert told[: len(known)] == known


def test_the_example_of_destinations_is_one() -> None:
    """It is a `delivery.json` that a box reads."""
    (example,) = re.findall(r"```json\n(.*?)```", section(PAGE, "### `delivery.json`"), re.DOTALL)
    assert len(Destinations.model_validate_json(json.dumps(json.loads(example))).destinations) == 2


def test_each_key_of_a_destination_has_a_row() -> None:
    """With its default, if it has one; `name`, `kind` and `by` are told in words."""
    kinds = {"fhir": FhirDestination, "folder": FolderDestination, "mqtt": MqttDestination}
    told = rows(PAGE, "### `delivery.json`")
    of_kinds = [row for row in told if len(row) == 5]
    for name, kind in kinds.items():
        keys = {codes(row[0])[0]: row for row in of_kinds if name in codes(row[1])}
        assert keys.keys() == kind.model_fields.keys() - {"name", "kind"}
        _have_defaults(kind, {key: (row[2], row[4]) for key, row in keys.items()})
    of_auth = {codes(row[0])[0]: (row[1], row[3]) for row in told if len(row) == 4}
    assert of_auth.keys() == ClientCredentials.model_fields.keys() - {"by"}
    _have_defaults(ClientCredentials, of_auth)
    assert StaticToken.model_fields.keys() == {"by", "token_file"}


def _have_defaults(kind: Any, told: dict[str, tuple[str, str]]) -> None:
    for key, (required, default) in told.items():
        field = kind.model_fields[key]
        assert (required == "yes") == field.is_required(), key
        if isinstance(field.default, bool):
            assert default == str(field.default).lower()
        elif isinstance(field.default, str):
            assert codes(default) == [field.default]
