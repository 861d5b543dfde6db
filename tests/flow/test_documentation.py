"""docs/reference/forms.md says what the code does."""

import re

from schemas.questionnaire import extensions as ext
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


def test_every_extension_is_on_the_page():
    """What is honoured, what is ours and what is not supported are all named."""
    honoured = {value for name, value in vars(ext).items() if name.isupper() and name[0] != "_"}
    for url in honoured - {ext.RESPONSE_SIGNATURE}:
        name = url if url.startswith("urn:") else url.rpartition("/")[2]
        assert f"`{name}`" in PAGE, name
    for name in ext._UNSUPPORTED.values():
        assert f"`{name}`" in PAGE, name


def test_every_code_of_a_problem_is_on_the_page():
    """Each stable code that a value can get is named."""
    folder = ROOT / "session_controller" / "forms"
    source = "".join(path.read_text() for path in sorted(folder.glob("*.py")))
    for code in re.findall(r'Problem\(\s*"(\w+)"', source):
        assert f"`{code}`" in PAGE or code == "wrong_kind", code
