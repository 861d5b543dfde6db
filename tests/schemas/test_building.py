"""Models are built when they are first used, and then read what they read before."""

import subprocess
import sys
from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from schemas.base import Wire
from schemas.wire import requests
from schemas.wire.rejections import Rejection
from tests.schemas.samples import from_controller

_BUILT = """
import schemas.wire.parse, schemas.wire.requests, session_controller.export.fhir.bundle
from pydantic import BaseModel

def built(model):
    yield from ([model.__name__] if model.__pydantic_complete__ else [])
    for one in model.__subclasses__():
        yield from built(one)

print(*(name for name in built(BaseModel) if name != "BaseModel"))
"""


def test_an_import_builds_no_model():
    """To build all models takes several times as long as most commands."""
    order = [sys.executable, "-P", "-c", _BUILT]
    ran = subprocess.run(order, capture_output=True, text=True, check=True)
    assert ran.stdout.split() == ["Coding"]  # of which two constants are made


def _all_of(model):
    for one in model.__subclasses__():
        yield one
        yield from _all_of(one)


@pytest.mark.parametrize("model", sorted(set(_all_of(Wire)), key=str), ids=lambda m: m.__name__)
def test_every_model_can_be_built(model):
    """What is wrong with a model is found here, since no import finds it."""
    model.model_rebuild()
    assert model.__pydantic_complete__


_ANSWERS = TypeAdapter(Annotated[requests.Answer, Field(discriminator="type")])


@pytest.mark.parametrize("answer", from_controller(), ids=lambda answer: type(answer).__name__)
def test_an_answer_is_read_as_its_union_reads_it(answer):
    """By its type alone, with the same result."""
    text = answer.to_json()
    if isinstance(answer, requests.AnswerBase) and not isinstance(answer, Rejection):
        assert requests.ANSWER.validate_json(text) == _ANSWERS.validate_json(text) == answer
    else:
        with pytest.raises(ValidationError):
            requests.ANSWER.validate_json(text)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", "null", '{"type": 1}', '{"type": []}', '{"type": "NONE"}', "{", "1e999"],
)
def test_what_is_no_answer_is_refused_as_its_union_refuses_it(text):
    """With the error that names the known types."""
    with pytest.raises(ValidationError) as ours:
        requests.ANSWER.validate_json(text)
    with pytest.raises(ValidationError) as whole:
        _ANSWERS.validate_json(text)
    assert ours.value.errors() == whole.value.errors()
