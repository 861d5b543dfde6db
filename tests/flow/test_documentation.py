"""docs/reference/forms.md says what the code does."""

import re

from schemas.questionnaire import extensions as ext
from schemas.questionnaire.extensions_page import extensions_page
from schemas.questionnaire.load import load_flow
from schemas.questionnaire.yaml import parse_yaml
from tests.flow.filling import ROOT, Patient

PAGE = (ROOT / "docs" / "reference/forms.md").read_text(encoding="utf-8")


def test_the_example_is_a_flow_that_can_be_finished():
    """The page's example loads without remarks and can be filled in."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    flow = load_flow(parse_yaml(example.encode()))
    assert flow.notes == ()
    assert Patient(flow).fill().complete


def test_the_extensions_page_is_the_table():
    """`docs/reference/extensions.md` says what the code knows; `./run extensions` writes it."""
    page = ROOT / "docs" / "reference" / "extensions.md"
    assert page.read_text(encoding="utf-8") == extensions_page()


def test_our_own_extensions_are_on_the_page():
    """FHIR does not define them, so the page does."""
    ours = {value for value in vars(ext).values() if isinstance(value, str) and ext.is_ours(value)}
    assert ours
    for url in ours:
        assert f"`{url}`" in PAGE, url


def test_every_code_of_a_problem_is_on_the_page():
    """Each stable code that a value can get is named."""
    folder = ROOT / "session_controller" / "forms"
    source = "".join(path.read_text() for path in sorted(folder.glob("*.py")))
    for code in re.findall(r'Problem\(\s*"(\w+)"', source):
        assert f"`{code}`" in PAGE or code == "wrong_kind", code
