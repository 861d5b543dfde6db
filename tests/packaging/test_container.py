"""The recipe for a container names what there is. Nothing here builds it: that needs a registry."""

import json
import re
import shlex
from typing import Any

import typer.main
import yaml

from cli import app
from tests.conftest import ROOT

RECIPE = (ROOT / "deploy/Containerfile").read_text().replace("\\\n", " ")
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())


def _of(instruction: str) -> list[str]:
    return re.findall(rf"^{instruction} (.+)$", RECIPE, re.MULTILINE)


def test_what_is_copied_is_there() -> None:
    """And it is all that the wheel is built from."""
    copied = {name for line in _of("COPY") if "--from" not in line for name in line.split()[:-1]}
    assert [name for name in copied if not (ROOT / name).exists()] == []
    packed = re.search(
        r"^only-include = (\[.+\])$", (ROOT / "pyproject.toml").read_text(), re.MULTILINE
    )
    assert packed
    assert set(json.loads(packed[1])) <= copied


def test_the_box_serves_as_its_own_user_on_its_volume() -> None:
    """With options that `serve` has, on the ports that are published."""
    command: Any = typer.main.get_command(app)
    (words,) = map(json.loads, _of("CMD"))
    assert words[0] == "serve"
    known = {name for option in command.commands["serve"].params for name in option.opts}
    assert {word for word in words if word.startswith("--")} <= known
    assert _of("USER") == ["handrail"]
    assert _of("VOLUME") == ["/data"]
    assert "HANDRAIL_DATA=/data" in shlex.split(*_of("ENV"))
    ports = {port.rpartition(":")[2] for port in COMPOSE["services"]["handrail"]["ports"]}
    assert ports == set(shlex.split(*_of("EXPOSE"))) == {word[8:] for word in words if ":" in word}


def test_the_service_may_write_to_its_volume_only() -> None:
    """And is reached from this machine only, before it has a certificate."""
    service = COMPOSE["services"]["handrail"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["volumes"] == ["data:/data"]
    assert (ROOT / "deploy" / service["build"]["context"]).resolve() == ROOT
    assert (ROOT / service["build"]["dockerfile"]).exists()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
