"""`handrail flow check` as a compiler, and the files that it reads."""

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Handrail
from tests.flow.test_value_sets import ANIMALS, SET, SYSTEM

_CORE = "http://hl7.org/fhir/StructureDefinition/"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
HEAD = {"resourceType": "Questionnaire", "status": "active", "id": "f"}
LOOSE = {"linkId": "a", "type": "string", "text": "A"}
COLOUR = {"linkId": "q", "type": "choice", "text": "Q", "answerValueSet": SET}
ANIMAL_SET = {
    "resourceType": "ValueSet",
    "url": SET,
    "compose": {"include": [{"system": SYSTEM}]},
}
STUCK = {
    "linkId": "n",
    "type": "integer",
    "text": "N",
    "required": True,
    "extension": [
        {"url": _CORE + "minValue", "valueInteger": 10},
        {"url": _CORE + "maxValue", "valueInteger": 1},
    ],
}


def _written(path: Path, *items: dict[str, Any], **elements: Any) -> Path:
    path.write_text(json.dumps({**HEAD, **elements, "item": list(items)}, indent=1))
    return path


def test_each_finding_says_what_it_does_and_what_to_do(tmp_path: Path, handrail: Handrail) -> None:
    """Grouped by kind, the worst first; a form in which a patient gets stuck is not usable."""
    many = [LOOSE | {"linkId": f"a{n}", "require": True} for n in range(9)]
    ran = handrail("flow", "check", _written(tmp_path / "f.json", STUCK, *many))
    assert ran.code == 1
    assert "no: a patient can get stuck" in ran.out
    assert ran.out.index("No answer is possible, but one is required") < ran.out.index("require")
    assert "What to do: Correct the bounds" in ran.out
    assert "and 4 more; --json lists all" in ran.out


def test_strict_fails_on_what_is_not_as_meant(tmp_path: Path, handrail: Handrail) -> None:
    """A danger or a loss, but not what is cosmetic."""
    fine = _written(tmp_path / "fine.json", LOOSE, status=None)
    danger = _written(tmp_path / "danger.json", LOOSE | {"require": True})
    assert handrail("flow", "check", fine, "--strict").code == 0
    ran = handrail("flow", "check", danger)
    assert (ran.code, "yes, with 1 danger" in ran.out) == (0, True)
    assert handrail("flow", "check", danger, "--strict").code == 1


def test_json_and_sarif_have_every_finding(tmp_path: Path, handrail: Handrail) -> None:
    """For programs and for editors, with the line of the item."""
    file = _written(tmp_path / "f.json", LOOSE, STUCK)
    found = handrail("flow", "check", file, "--json").json
    assert (found["usable"], found["grades"]["danger"]) == (False, 1)
    assert set(found["notes"][0]) == {"place", "message", "rule", "grade", "effect", "remedy"}
    run = handrail("flow", "check", file, "--sarif").json["runs"][0]
    (result,) = run["results"]
    assert (result["ruleId"], result["level"]) == ("unanswerable", "error")
    assert run["tool"]["driver"]["rules"][0]["properties"] == {"grade": "danger"}
    line = result["locations"][0]["physicalLocation"]["region"]["startLine"]
    assert '"linkId": "n"' in file.read_text().splitlines()[line - 1]


def test_a_corrected_copy_is_written_and_each_change_said(
    tmp_path: Path, handrail: Handrail
) -> None:
    """The file itself stays as it is."""
    file = _written(tmp_path / "f.json", LOOSE, LOOSE | {"required": "true"})
    before = file.read_bytes()
    assert handrail("flow", "check", file).code == 1
    ran = handrail("flow", "check", file, "--fix", "out.json")
    assert ran.code == 0
    assert 'item[1].linkId: "a" was used twice; this one is "a-2" now' in ran.err
    assert "2 changes" in ran.err
    assert file.read_bytes() == before
    assert handrail("flow", "check", "out.json", "--strict").code == 0
    again = handrail("flow", "check", file, "--fix", "out.json")
    assert (again.code, "out.json exists" in again.err) == (2, True)


def _package(path: Path, *resources: dict[str, Any]) -> Path:
    with tarfile.open(path, "w:gz") as archive:
        for number, resource in enumerate(resources):
            content = json.dumps(resource).encode()
            member = tarfile.TarInfo(f"package/{number}.json")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def _bundle(path: Path, *resources: dict[str, Any]) -> Path:
    entries = [{"resource": one} for one in resources]
    path.write_text(json.dumps({"resourceType": "Bundle", "type": "collection", "entry": entries}))
    return path


def _file(path: Path, resource: dict[str, Any]) -> Path:
    path.write_text(json.dumps(resource))
    return path


@pytest.mark.parametrize("kind", ["files", "bundle", "package"])
def test_value_sets_come_from_files(tmp_path: Path, handrail: Handrail, kind: str) -> None:
    """One by one, in a Bundle with the form, or in a FHIR package."""
    form = {**HEAD, "item": [COLOUR]}
    if kind == "files":
        arguments = [_file(tmp_path / "f.json", form)]
        for number, one in enumerate((ANIMAL_SET, ANIMALS)):
            arguments += ["--valueset", _file(tmp_path / f"{number}.json", one)]
    elif kind == "bundle":
        arguments = [_bundle(tmp_path / "b.json", form, ANIMAL_SET, ANIMALS)]
    else:
        package = _package(tmp_path / "p.tgz", ANIMAL_SET, ANIMALS)
        arguments = [_file(tmp_path / "f.json", form), "--valueset", package]
    assert handrail("flow", "check", *arguments, "--json").json["notes"] == []


def test_a_value_set_that_is_not_there_is_named(tmp_path: Path, handrail: Handrail) -> None:
    """With its url, and the command that adds it."""
    file = _written(tmp_path / "f.json", COLOUR)
    ran = handrail("flow", "check", file)
    assert f'"{SET}" is not fetched' in " ".join(ran.out.split())
    assert "--valueset" in ran.out
    value_set = _file(tmp_path / "v.json", ANIMAL_SET)
    said = handrail("flow", "check", file, "--valueset", value_set).out
    assert f'needs the code system "{SYSTEM}"' in " ".join(said.split())


@pytest.mark.parametrize("bundle", ['{"entry": null}', '{"entry": 3}', '{"entry": [null, {}]}'])
def test_a_bundle_without_a_form_is_refused(
    tmp_path: Path, handrail: Handrail, bundle: str
) -> None:
    """Whatever is in it."""
    content = {"resourceType": "Bundle", **json.loads(bundle)}
    ran = handrail("flow", "check", _file(tmp_path / "b.json", content))
    assert (ran.code, "has none" in ran.err) == (1, True)


@pytest.mark.parametrize("content", [b"", b"no archive", b"\x1f\x8b\x08broken"])
def test_a_broken_package_is_refused(tmp_path: Path, handrail: Handrail, content: bytes) -> None:
    """In words."""
    (tmp_path / "p.tgz").write_bytes(content)
    ran = handrail("flow", "check", "p.tgz")
    assert ran.code == 1
    assert "is no FHIR package" in ran.err


def test_a_bundle_with_several_forms_is_refused(tmp_path: Path, handrail: Handrail) -> None:
    """Which one is meant is for a person to say."""
    one = {**HEAD, "item": [LOOSE]}
    bundle = _bundle(tmp_path / "b.json", one, one | {"id": "g"})
    ran = handrail("flow", "check", bundle)
    assert ran.code == 1
    assert "holds 2 Questionnaires (f, g); one is needed" in ran.err


def test_an_expression_that_takes_too_long_is_named(tmp_path: Path, handrail: Handrail) -> None:
    """And the check itself ends."""
    slow = {
        "url": _SDC + "calculatedExpression",
        "valueExpression": {
            "language": "text/fhirpath",
            "expression": "(1|2|3).select($this.repeat(iif($this < 99999, $this + 1, {})))",
        },
    }
    file = _written(tmp_path / "f.json", LOOSE | {"type": "integer", "extension": [slow]})
    ran = handrail("flow", "check", file)
    assert (ran.code, 'linkId "a": takes too long' in ran.out) == (0, True)


def test_what_optional_answers_make_possible_is_no_dead_end(
    handrail: Handrail, tmp_path: Path
) -> None:
    """The permitted answers follow from an optional question: it can be answered."""
    expression = {
        "language": "text/fhirpath",
        "expression": "%resource.item.where(linkId='contact').answer.value",
    }
    url = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-answerExpression"
    contact = {"linkId": "contact", "type": "string", "text": "Contact", "repeats": True}
    chosen = {
        "linkId": "chosen",
        "type": "choice",
        "text": "Whom first?",
        "required": True,
        "extension": [{"url": url, "valueExpression": expression}],
    }
    form = {
        "resourceType": "Questionnaire",
        "status": "active",
        "id": "x",
        "item": [contact, chosen],
    }
    path = tmp_path / "form.json"
    path.write_text(json.dumps(form))
    assert handrail("flow", "check", path, "--json").json["usable"] is True
    form["item"] = [chosen]
    path.write_text(json.dumps(form))
    assert handrail("flow", "check", path, "--json").json["usable"] is False
