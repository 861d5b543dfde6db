"""A mistyped data folder: only what begins a box makes one."""

from pathlib import Path

import pytest

from tests.cli.conftest import Handrail

READING = (
    "session list",
    "session show nobody",
    "session timeline nobody",
    "device list",
    "device code nobody",
    "staff list",
    "flow list",
    "deliver list",
    "deliver status",
    "deliver status --check",
    "backup",
    "key show",
    "key rotate",
    "document list nobody",
    "audit sign",
)


@pytest.mark.parametrize("command", READING)
def test_a_command_makes_no_box(command: str, tmp_path: Path, handrail: Handrail) -> None:
    """It names the folder and what makes one, and leaves nothing behind."""
    data = tmp_path / "mistyped"
    ran = handrail(*command.split(), "--data", data)
    assert ran.code == 3, ran.err
    assert f"{data} is not the data folder of a box" in ran.err
    assert f"handrail setup --data {data}" in ran.err
    assert not data.exists()


def test_an_empty_folder_is_not_a_boxs(tmp_path: Path, handrail: Handrail) -> None:
    """Such as a mount point whose disk is away."""
    ran = handrail("session", "list", "--data", tmp_path)
    assert ran.code == 3
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "command",
    [
        ("device", "enrol", "Desk", "--role", "facility"),
        ("staff", "add", "Maria", "--role", "front-desk", "--generate"),
    ],
)
def test_what_begins_a_box_makes_one(
    command: tuple[str, ...], tmp_path: Path, handrail: Handrail
) -> None:
    """Then the other commands find it."""
    data = tmp_path / "new"
    assert handrail(*command, "--data", data).code == 0
    assert handrail("device", "list", "--data", data).code == 0
