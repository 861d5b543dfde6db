"""Variables of the environment that nothing reads."""

import re
from pathlib import Path

import pytest

from session_controller.configuration.reading import OTHER_VARIABLES, unknown_variables
from session_controller.configuration.sections import known
from tests.conftest import ROOT

_SOURCES = ("*.py", "*.service", "Containerfile", "*.yaml", "build", "run", "*.env")
_FOLDERS = ("broker", "clients", "schemas", "session_controller", "deploy", "benchmarks")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("HANDRAIL_MQTTT", "HANDRAIL_LISTEN_MQTT"),
        ("HANDRAIL_SITES_NAME", "HANDRAIL_SITE_NAME"),
        ("HANDRAIL_HTTP_REDIRECT", "HANDRAIL_LISTEN_HTTP_REDIRECT"),
        ("HANDRAIL_DATAS", "HANDRAIL_DATA"),
        ("HANDRAIL_BOXKEY", "HANDRAIL_BOX_KEY"),
        ("HANDRAIL_BACKUPS_EVERY", "HANDRAIL_BACKUP_EVERY"),
        ("HANDRAIL_QQQQQQQQ", None),
    ],
)
def test_the_nearest_name_is_proposed(written: str, meant: str | None) -> None:
    """Where one is near."""
    assert list(unknown_variables({written: "x"})) == [(written, meant)]


def test_what_is_read_is_known() -> None:
    """All keys, and what commands, the container and the tests read; an empty one has no effect."""
    names = [*OTHER_VARIABLES, *(one.variable for one in known())]
    assert list(unknown_variables(dict.fromkeys(names, "x"))) == []
    assert list(unknown_variables({"HANDRAIL_MQTTT": "", "PATH": "/bin"})) == []


def test_each_variable_of_the_program_is_known() -> None:
    """A new one that is not added to the list would be called misspelt."""
    files = [ROOT / "cli.py", ROOT / "run"]
    for folder in _FOLDERS:
        files += [path for glob in _SOURCES for path in (ROOT / folder).rglob(glob)]
    found = set[str]()
    for path in files:
        if path.is_file() and "node_modules" not in path.parts:
            found |= set(re.findall(r"HANDRAIL_[A-Z]+(?:_[A-Z]+)*", _read(path)))
    found -= {"HANDRAIL_SECTION_KEY", *OTHER_VARIABLES, *(one.variable for one in known())}
    assert found == set()


def _read(path: Path) -> str:
    return path.read_text(errors="replace")
