"""The pages read a form as the box reads it."""

from pathlib import Path

import pytest

from schemas.questionnaire.load import FlowError, load_flow
from tests.flow.filling import REAL
from tests.web.forms import FOLDER, forms, golden
from tests.web.units import run

_FORMS = forms()


@pytest.mark.parametrize("name", _FORMS)
def test_the_golden_file_is_what_the_box_reads(name: str) -> None:
    """Each golden file is current, so that `npm test` compares the pages with this code."""
    written = (FOLDER / f"{name}.json").read_text(encoding="utf-8")
    assert written == golden(_FORMS[name]), "run: python -m tests.web.forms"


def test_there_is_no_other_golden_file() -> None:
    """Every golden file belongs to a form."""
    assert {path.stem for path in FOLDER.glob("*.json")} == set(_FORMS)


def test_real_forms_are_read_alike(tmp_path: Path) -> None:
    """Forms of others, which are not part of the project, are compared where they are here."""
    for path in sorted(REAL.glob("*.json")):
        try:
            flow = load_flow(path.read_bytes(), fallback_id=path.stem)
        except FlowError:
            continue
        (tmp_path / path.name).write_text(golden(flow), encoding="utf-8")
    if not any(tmp_path.iterdir()):
        pytest.skip("the real questionnaires are not here")
    run({"HANDRAIL_FORMS": str(tmp_path)})
