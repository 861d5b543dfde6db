"""`handrail flow diff`, `handrail flow retire` and `handrail flow preview`."""

import json
import os
import re
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from clients.cli.flow_diff import changes
from schemas.questionnaire.load import load_flow
from tests.cli.conftest import PROGRAM, Handrail
from tests.engine.play import flow_of, item

_CONSENT = {"extension": [{"url": "urn:handrail:fhir:consent", "valueBoolean": True}]}
_CHOICE = {"answerOption": [{"valueCoding": {"code": "x", "display": "Ex"}}]}


def _said(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    return [one.sentence for one in changes(flow_of(old), flow_of(new))]


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        (item("a", "string"), item("a", "string", required=True), "Must be answered now"),
        (item("a", "string", required=True), item("a", "string"), "May stay empty now"),
        (item("a", "string"), item("a", "text"), "Is a text, and was a string"),
        (item("a", "string"), item("a", "string", maxLength=3), "Max length is 3, and was not set"),
        (
            item("a", "display", **_CONSENT),
            item("a", "display", **_CONSENT, text="New"),
            'What is signed reads "New", and read "Text of a"',
        ),
        (
            item("a", "choice", answerOption=[{"valueString": "y"}]),
            item("a", "choice", **_CHOICE),
            '"Ex" can be answered now',
        ),
        (
            item("a", "choice", **_CHOICE),
            item("a", "choice", answerOption=[{"valueString": "y"}]),
            '"Ex" can no longer be answered',
        ),
        (
            item("a", "choice", **_CHOICE),
            item("a", "choice", answerOption=[{"valueCoding": {"code": "x", "display": "X"}}]),
            'The answer "Ex" is called "X"',
        ),
        (
            item("a", "string"),
            item(
                "a",
                "string",
                enableWhen=[{"question": "b", "operator": "exists", "answerBoolean": True}],
            ),
            "Is asked under another condition, on None",
        ),
    ],
)
def test_a_change_is_said_in_words(old: dict[str, Any], new: dict[str, Any], sentence: str) -> None:
    """Each kind of change of an item."""
    assert sentence in _said(old, new)


def test_what_is_new_and_what_is_gone_is_said_with_its_step() -> None:
    """Also of the form: languages, steps, their order."""
    old = flow_of(item("g", "group", item=[item("a", "string")]), item("h", "group"))
    new = flow_of(item("h", "group"), item("g", "group", item=[item("b", "string")]))
    found = [(one.about, one.sentence) for one in changes(old, new)]
    assert found == [
        (None, "The steps come in another order"),
        ("b", 'A question is new on the step "Text of g": "Text of b"'),
        ("a", 'A question is gone: "Text of a"'),
    ]
    assert changes(old, old) == ()


def test_two_files_are_compared(tmp_path: Path, handrail: Handrail) -> None:
    """For people and for programs."""
    for name, required in (("old", False), ("new", True)):
        flow = flow_of(item("a", "string", required=required))
        (tmp_path / f"{name}.json").write_bytes(flow.canonical)
    assert "Must be answered now." in handrail("flow", "diff", "old.json", "new.json").out
    found = handrail("flow", "diff", "old.json", "new.json", "--json").json
    assert found == [{"link_id": "a", "change": "Must be answered now"}]
    assert "ask the same" in handrail("flow", "diff", "old.json", "old.json").err


def test_a_retired_flow_is_listed_and_not_offered(tmp_path: Path, handrail: Handrail) -> None:
    """A new session is refused with what to do, until it is offered again."""
    form = json.loads(flow_of(item("a", "string")).canonical)
    (tmp_path / "f.json").write_text(json.dumps(form))
    handrail("flow", "add", "f.json", "--data", "box")
    retired = handrail("flow", "retire", "test", "--data", "box", "--json").json
    assert retired["status"] == "retired"
    assert "is retired" in handrail("flow", "list", "--data", "box").out
    refused = handrail("simulate", "test", "--data", "box")
    assert refused.code != 0
    assert "is retired" in refused.err
    assert handrail("flow", "retire", "test", "--undo", "--data", "box").code == 0
    assert "is retired" not in handrail("flow", "list", "--data", "box").out
    assert load_flow(form).retired is False
    assert "there is no flow" in handrail("flow", "retire", "none", "--data", "box").err


@pytest.mark.slow
def test_a_form_is_previewed_on_both_screens(tmp_path: Path) -> None:
    """Its links lead to pages until it is stopped; then nothing of it is left."""
    (tmp_path / "f.json").write_bytes(flow_of(item("a", "string")).canonical)
    with subprocess.Popen(
        [*PROGRAM, "flow", "preview", tmp_path / "f.json"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None
        said = ""
        while "Ctrl-C" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        links = re.findall(r"http://\S+", said)
        assert [link.partition("#")[0].rpartition("/")[2] for link in links] == [
            "facility",
            "patient",
        ]
        for link in links:
            with urllib.request.urlopen(link.partition("#")[0], timeout=10) as page:  # noqa: S310 - http
                assert page.status == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM
    assert [path.name for path in tmp_path.iterdir()] == ["f.json"]
