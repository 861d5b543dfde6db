"""The commands that the docs tell people to type are there, with the options that they show."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import typer.main

from cli import app

from .conftest import Handrail

ROOT = Path(__file__).parents[2]
PAGES = sorted([*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"])
_OTHERS = ("CONTRIBUTING.md", "CHANGELOG.md", "benchmarks/README.md")
WRAPPED = [page for page in PAGES if page.name != "command-line.md"]  # that one is generated
WRAPPED += [ROOT / name for name in _OTHERS]
_LINK = re.compile(r"\]\([^)]*\)")
_FENCED = re.compile(r"^```\w*\n(.*?)^```", re.MULTILINE | re.DOTALL)
_NO_COMMANDS = ("handrail ready", "handrail broker ready", "handrail export seal")
"""What the program says, and what a signature begins with."""
_INLINE = re.compile(r"`((?:\./run )?handrail [^`]+)`")


def commands_of(text: str) -> list[str]:
    """Find what a page shows of our command line, in blocks and within sentences."""
    blocks = "\n".join(_FENCED.findall(text)).replace("\\\n", " ")
    lines = [line.strip().removeprefix("$ ").removeprefix("sudo ") for line in blocks.splitlines()]
    prose = [" ".join(one.split()) for one in _INLINE.findall(_FENCED.sub("", text))]
    found = [*lines, *prose]
    said = [one.removeprefix("./run ") for one in found]
    return [
        one for one in said if re.match(r"handrail [a-z]", one) and not one.startswith(_NO_COMMANDS)
    ]


def faults_of(line: str) -> list[str]:
    """Return what is wrong with a command as shown."""
    words = shlex.split(line.replace(" …", "").replace("…", "x"), comments=True)[1:]
    command: Any = typer.main.get_command(app)
    while words and words[0] in getattr(command, "commands", ()):
        command = command.commands[words.pop(0)]
    if hasattr(command, "commands") and words and re.match(r"[a-z]", words[0]):
        return [f"{line}: there is no {words[0]}"]
    known = {name for one in command.params for name in [*one.opts, *one.secondary_opts]}
    options = [re.split("[=|]", word)[0] for word in words if word.startswith("--")]
    return [f"{line}: no {one}" for one in options if one not in known | {"--help", "--version"}]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_shows_is_there(page: Path) -> None:
    """By its name and by its options, so that what is typed as written is understood."""
    assert [one for line in commands_of(page.read_text()) for one in faults_of(line)] == []


@pytest.mark.parametrize("page", WRAPPED, ids=lambda page: page.name)
def test_prose_fits_a_line(page: Path) -> None:
    """No line is over 100 characters, but in tables and code, or for the sake of a link."""
    prose = _FENCED.sub("", page.read_text()).splitlines()
    assert [one for one in prose if len(_LINK.sub("", one)) > 100 and one[0] != "|"] == []


def test_pages_for_users_name_nothing_of_the_code() -> None:
    """Modules and tests are named where contributors read, and nowhere else."""
    generated = {"command-line.md", "sdk-api.md", "states.md"}
    folders = ("how-to", "reference", "tutorials")
    pages = [page for page in PAGES if page.parent.name in folders and page.name not in generated]
    pages += [ROOT / "README.md", ROOT / "docs/explanation/consent.md"]
    code = re.compile(r"session_controller|\btests/|\btest_\w+|\w/\w+\.py\b")
    assert [(page.name, found) for page in pages for found in code.findall(page.read_text())] == []


_CODE_MAP = (ROOT / "docs" / "contributing" / "code-map.md").read_text()
_MAPPED = set(re.findall(r"`([\w.-]+(?:/[\w./-]*|\.py))`", _CODE_MAP))


@pytest.mark.parametrize("folder", ["broker", "clients", "schemas", "session_controller"])
def test_the_code_map_has_each_package_and_each_top_level_module(folder: str) -> None:
    """Each is named where a contributor looks for it, by its path."""
    found = (path.parent.relative_to(ROOT) for path in (ROOT / folder).rglob("__init__.py"))
    packages = {f"{path}/" for path in found if "node_modules" not in path.parts}
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / folder).glob("[!_]*.py")}
    assert sorted((packages | modules) - _MAPPED) == []


def test_every_path_in_the_code_map_exists() -> None:
    """A file that was moved or renamed is named by its new path."""
    assert [path for path in sorted(_MAPPED) if not (ROOT / path).exists()] == []
    assert len(_MAPPED) > 100


def test_the_pages_show_commands() -> None:
    """They are found in blocks, over several lines, and within sentences."""
    beyond = commands_of((ROOT / "docs" / "how-to/network.md").read_text())
    assert any("--mqtt" in line and "--http" in line for line in beyond)
    delivery = commands_of((ROOT / "docs" / "how-to/deliver-mqtt.md").read_text())
    assert any(line.startswith("handrail deliver add central") for line in delivery)
    assert faults_of("handrail deliver add x --no-such-thing")
    assert faults_of("handrail deliver nothing")


def test_the_tutorial_for_a_first_form_works_as_written(tmp_path: Path, handrail: Handrail) -> None:
    """Its pieces, put together as it says, are a form that is usable at each stage."""
    page = (ROOT / "docs" / "tutorials/first-form.md").read_text()
    you, reaction, agreement, *translations = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    terms, signature, rest = re.split(r"(?<=\.\n)(?= {8}extension)", agreement)
    translated = terms + translations[0] + signature + translations[1] + rest
    for form in (you, you + reaction, you + reaction + agreement, you + reaction + translated):
        (tmp_path / "flu-shot.yaml").write_text(form)
        checked = handrail("flow", "check", "flu-shot.yaml", "--json")
        assert checked.code == 0, checked.err
    assert checked.json["notes"] == []
    place = 'Questionnaire.item[0].item[1].type (linkId "had-one")'
    (tmp_path / "wrong.yaml").write_text(you.replace("type: choice", "type: choose"))
    assert place in page
    assert place in handrail("flow", "check", "wrong.yaml").err
    (tmp_path / "noted.yaml").write_text(you + reaction.replace("question: had-one", "question: x"))
    assert handrail("flow", "check", "noted.yaml", "--json").json["notes"] != []
    ran = handrail("simulate", "flu-shot.yaml", "--responses", "out")
    assert (ran.code, len(list((tmp_path / "out").iterdir()))) == (0, 1), ran.err
