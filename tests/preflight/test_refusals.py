"""What keeps `serve` from starting: a sentence with what mends it, never an internal error."""

import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Handrail, handrail  # noqa: F401 - a fixture
from tests.preflight.faults import FAULTS
from tests.preflight.further_faults import FURTHER
from tests.preflight.planting import Fault

LISTEN = ("--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
ONE_OF_EACH = (
    *("table of persons dropped", "table of keys dropped", "table of migrations dropped"),
    *("column dropped", "unique index dropped", "lock is a folder", "box.json is a folder"),
    *("handrail.sqlite is a folder", "backups is a file", "lock is a pipe"),
    *("lock is a link to nothing", "certificate of the CA gone"),
    "another site in the configuration",
    *("devices deleted", "forms deleted", "all keys deleted"),
)


@pytest.mark.parametrize(
    "fault", [one for one in FURTHER if one.name in ONE_OF_EACH], ids=lambda one: one.name
)
def test_serve_says_what_mends_it(
    fault: Fault,
    data: Path,
    handrail: Handrail,  # noqa: F811
) -> None:
    """And each other command says something for a person, too."""
    fault.plant(data)
    ran = handrail("serve", *LISTEN, "--data", data)
    assert ran.code in (1, 2, 4), ran.err
    assert "internal error" not in ran.err
    assert fault.mend in ran.err
    listed = handrail("device", "list", "--data", data)
    assert "internal error" not in listed.err


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[listen]\nhttp = '127.0.0.1:1883'\n", "--mqtt and --http both listen on port 1883"),
        (
            "[listen]\nmqtt = '127.0.0.1:8883'\nhttp_redirect = '0.0.0.0:8883'\n",
            "--mqtt and --http-redirect both listen on port 8883",
        ),
    ],
)
def test_two_listeners_on_one_port(
    text: str,
    said: str,
    data: Path,
    handrail: Handrail,  # noqa: F811
) -> None:
    """Refused by `serve`, `config check` and `doctor` alike."""
    (data / "handrail.toml").write_text(text)
    for command in (("serve",), ("config", "check")):
        ran = handrail(*command, "--data", data)
        assert (ran.code, said in ran.err) == (2, True), ran.err
    ran = handrail("doctor", "--data", data, "--json")
    assert said in [each["text"] for each in ran.json["findings"] if each["check"] == "ports"]


def test_by_environment_and_options(
    tmp_path: Path,
    handrail: Handrail,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a new folder as well, which is then not made."""
    monkeypatch.setenv("HANDRAIL_LISTEN_HTTP", "127.0.0.1:9001")
    ran = handrail("serve", "--mqtt", "0.0.0.0:9001", "--data", tmp_path / "new")
    assert (ran.code, "both listen on port 9001" in ran.err) == (2, True)
    assert not (tmp_path / "new").exists()


def test_a_configuration_that_is_a_link_to_nothing(
    data: Path,
    handrail: Handrail,  # noqa: F811
) -> None:
    """A box does not start with the defaults instead."""
    (data / "handrail.toml").symlink_to(data.parent / "nothing")
    ran = handrail("serve", *LISTEN, "--data", data)
    assert ran.code == 2
    assert f"is a link to {data.parent / 'nothing'}, which does not exist" in ran.err


def test_a_data_folder_that_is_a_link_to_nothing(
    tmp_path: Path,
    handrail: Handrail,  # noqa: F811
) -> None:
    """Its disk is away."""
    (tmp_path / "data").symlink_to(tmp_path / "disk")
    ran = handrail("serve", *LISTEN, "--data", tmp_path / "data")
    assert ran.code == 1
    assert "mount the disk that it is on" in ran.err
    assert "mount the disk" in handrail("doctor", "--data", tmp_path / "data").out


def test_data_of_a_newer_version_ends_with_its_own_code(
    data: Path,
    handrail: Handrail,  # noqa: F811
) -> None:
    """The service does not try again every five seconds."""
    [newer] = [one for one in FAULTS if one.name == "a newer program's"]
    newer.plant(data)
    assert handrail("serve", *LISTEN, "--data", data).code == 4
    unit = Path("deploy/debian/handrail.service")
    assert "RestartPreventExitStatus=2 4" in (Path(__file__).parents[2] / unit).read_text()


def test_restoring_mends_a_dropped_table(
    data: Path,
    handrail: Handrail,  # noqa: F811
) -> None:
    """By the very command that is named."""
    [fault] = [one for one in FURTHER if one.name == "table of persons dropped"]
    fault.plant(data)
    ran = handrail("doctor", "--data", data, "--json")
    [mend, *_] = [each["mend"] for each in ran.json["findings"] if each["check"] == "database"]
    command = mend.partition("`handrail ")[2].partition("`")[0]
    assert handrail(*command.split()).code == 0
    shutil.rmtree(next(data.glob("replaced-*")))
    assert handrail("device", "list", "--data", data).code == 0
