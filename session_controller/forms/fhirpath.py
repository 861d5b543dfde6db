"""FHIRPath, evaluated by `fhirpathpy`: within a time limit, without a network, writing nothing.

    evaluate(expression, node, variables, today, is_over) -> list of JSON values
    nodes(…) -> the same as nodes, for variables
    problem(expression, is_over) -> why it can have no result, or None

Loaded only by flows that have expressions.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from contextvars import ContextVar
from datetime import date, datetime
from decimal import Decimal
from functools import cache, lru_cache
from importlib.resources import files
from itertools import count
from typing import Any

import fhirpathpy
import regex
from antlr4 import CommonTokenStream, InputStream, ParseTreeWalker
from antlr4.error.ErrorListener import ErrorListener
from fhirpathpy import engine
from fhirpathpy.engine.nodes import FP_Quantity, FP_Type, ResourceNode
from fhirpathpy.engine.util import get_data
from fhirpathpy.parser.ASTPathListener import ASTPathListener
from fhirpathpy.parser.generated.FHIRPathLexer import FHIRPathLexer
from fhirpathpy.parser.generated.FHIRPathParser import FHIRPathParser

from schemas.questionnaire import extensions as ext
from schemas.questionnaire.expressions import variables_of
from schemas.questionnaire.model import Json
from schemas.questionnaire.patterns import size_problem

_PATTERN_SECONDS = 0.05
_TRIED_STEPS = 10_000
"""Of an evaluation that is tried on an empty response, where an expression needs some dozens."""
_CACHED = 4_096
_PATTERNS = 256
_MAX_LENGTH = 10_000
"""Of an expression, in characters."""


def _never() -> bool:
    return False


_is_over: ContextVar[Callable[[], bool]] = ContextVar("_is_over", default=_never)
"""Whether the time of the evaluation is over."""


class ExpressionError(ValueError):
    """The expression has no result: it is wrong, has no defined value, or takes too long."""


def _limited(evaluator: Callable[..., Any]) -> Callable[..., Any]:
    """Return a step of an evaluation that raises `ExpressionError` once its time is over."""

    def step(context: Any, data: Any, node: Any) -> Any:
        if _is_over.get()():
            raise ExpressionError("takes too long")
        return evaluator(context, data, node)

    return step


_STEPS: dict[str, Callable[..., Any]] = engine.evaluators  # type: ignore[attr-defined]
for _name, _evaluator in list(_STEPS.items()):
    _STEPS[_name] = _limited(_evaluator)


def problem(expression: str, is_over: Callable[[], bool]) -> str | None:
    """Return why an expression can have no result, or None: it is tried on an empty response.

    It takes too long if it needs more than `_TRIED_STEPS`, or until `is_over`.
    """
    empty = {"resourceType": "QuestionnaireResponse"}
    names: dict[str, Json] = {name: [] for name in variables_of(expression)}
    variables = {**names, "resource": empty, "questionnaire": {"resourceType": "Questionnaire"}}
    node = node_at(empty, "QuestionnaireResponse")
    try:
        steps = count()
        evaluate(
            expression,
            node,
            variables,
            today=date(2026, 1, 1),
            is_over=lambda: next(steps) > _TRIED_STEPS or is_over(),
        )
    except ExpressionError as error:
        return str(error)
    return None


def parse(expression: str) -> None:
    """Parse an expression, so that it is evaluated without; whether it can be is said then."""
    with suppress(ExpressionError):
        _parsed(expression)


def node_at(item: Json, path: str) -> Any:
    """Return a node of a QuestionnaireResponse; its path says which types its elements have."""
    return _node(item, path)


def evaluate(
    expression: str,
    node: Any,
    variables: Mapping[str, Any],
    *,
    today: date,
    is_over: Callable[[], bool],
) -> list[Json]:
    """Evaluate an expression at a node of a QuestionnaireResponse; return its results as JSON.

    `variables` are JSON, nodes, or what `nodes` returned. `is_over` says whether its time is over.
    Quantities are returned as FHIR has them, dates and times as strings. Raises `ExpressionError`.
    """
    return [_json(_data(one)) for one in nodes(expression, node, variables, today, is_over)]


def nodes(
    expression: str,
    node: Any,
    variables: Mapping[str, Any],
    today: date,
    is_over: Callable[[], bool],
) -> list[Any]:
    """Evaluate an expression as `evaluate` does; return nodes, for variables of others."""
    parsed = _parsed(expression)
    token = _is_over.set(is_over)
    options = {
        "userInvocationTable": _functions(today),
        "traceFn": _say_nothing,
        "returnRawData": True,
    }
    try:
        return _apply(node, parsed, dict(variables), _model(), options)
    except ExpressionError:
        raise
    except Exception as error:  # noqa: BLE001 - the library raises whatever its code meets
        raise ExpressionError(f"has no result ({type(error).__name__})") from None
    finally:
        _is_over.reset(token)


_apply: Callable[..., list[Any]] = fhirpathpy.apply_parsed_path
_node: Callable[..., Any] = ResourceNode.create_node
_data: Callable[[Any], Any] = get_data
_ESCAPE = re.compile(r"\\(?![\\`'\"/fnrtu])")


_reader: Callable[[], Any] = ASTPathListener


class _Listener(ErrorListener):  # type: ignore[misc]
    """Raises where the library would go on with what it understands of an expression."""

    def syntaxError(self, *found: object) -> None:  # noqa: N802 - of antlr4
        _, _, _, column, message, *_ = found
        said = str(message).partition(" expecting ")[0]
        raise ExpressionError(f"is not FHIRPath (character {column}: {said})")


def _parse(expression: str) -> Any:
    """Parse an expression. A backslash that begins no escape stands for itself, as in patterns."""
    lexer: Any = FHIRPathLexer(InputStream(_ESCAPE.sub(r"\\\\", expression)))
    parser: Any = FHIRPathParser(CommonTokenStream(lexer))
    for part in (lexer, parser):
        part.removeErrorListeners()
        part.addErrorListener(_Listener())
    tree, read = parser.entireExpression(), _reader()
    ParseTreeWalker().walk(read, tree.expression())
    return read.parentStack[0]


@lru_cache(_CACHED)
def _parsed(expression: str) -> Any:
    if len(expression) > _MAX_LENGTH:
        raise ExpressionError(f"is longer than {_MAX_LENGTH} characters")
    try:
        return _parse(expression)
    except ExpressionError:
        raise
    except RecursionError:
        raise ExpressionError("is nested too deeply") from None
    except Exception as error:  # noqa: BLE001 - the parser raises whatever its code meets
        raise ExpressionError(f"is not FHIRPath ({' '.join(str(error).split())[:80]})") from None


@cache
def _model() -> dict[str, Json]:
    """Return what the library has to know of FHIR R4, alone of all versions."""
    folder = files("fhirpathpy") / "models" / "r4"
    return {
        entry.name.removesuffix(".json"): json.loads(entry.read_text("utf-8"))
        for entry in folder.iterdir()
        if entry.name.endswith(".json")
    }


def _json(value: Any) -> Json:
    """Return a result as JSON."""
    if isinstance(value, Mapping):
        return {key: _json(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_json(part) for part in value]
    if isinstance(value, FP_Quantity):
        return {"value": _json(value.value), "unit": str(value.unit).strip("'")}
    return _scalar(value)


def _scalar(value: Any) -> Json:
    if isinstance(value, FP_Type):
        return str(value)
    if isinstance(value, Decimal | float):
        number = _short(float(value))
        return int(number) if isinstance(value, Decimal) and number.is_integer() else number
    return value.isoformat() if isinstance(value, date | datetime) else value


def _short(value: float) -> float:
    """Return a number without the digits that binary fractions add: 0.3 for 0.1 + 0.2."""
    return float(f"{value:.12g}")


def _say_nothing(_: object, __: object) -> None:
    """Drop what `trace()` would print: it holds answers."""


@lru_cache(8)
def _functions(today: date) -> dict[str, Json]:
    """Return functions that replace the library's, or that SDC adds."""
    return {
        "today": {"fn": lambda _: [today.isoformat()], "arity": {0: []}},
        "ordinal": {"fn": _weights, "arity": {0: []}},
        "weight": {"fn": _weights, "arity": {0: []}},
        "resolve": {"fn": lambda _: [], "arity": {0: []}},
        "matches": {"fn": _matches, "arity": {1: ["String"]}},
        "matchesFull": {"fn": _matches_full, "arity": {1: ["String"]}},
        "replaceMatches": {"fn": _replaced, "arity": {2: ["String", "String"]}},
    }


def _weights(inputs: Sequence[Json]) -> list[Json]:
    """Return the scores of answers or Codings (SDC: weight(), earlier ordinal())."""
    return [weight for one in inputs if (weight := _weight(one)) is not None]


def _weight(value: Json) -> Json:
    if not isinstance(value, dict):
        return None
    coding = value.get("valueCoding", value)
    for extension in coding.get("extension", ()):
        if extension.get("url") in {ext.ITEM_WEIGHT, ext.ORDINAL_VALUE}:
            return extension.get("valueDecimal")
    return None


@lru_cache(_PATTERNS)
def _pattern(text: str) -> "regex.Pattern[str]":
    if size_problem(text) is not None:
        raise ExpressionError("has a pattern that is too large")
    try:
        return regex.compile(text)
    except (regex.error, ValueError, OverflowError, RecursionError, KeyError, IndexError):
        raise ExpressionError("has a pattern that is not supported") from None


def _timed(match: Callable[[], Json]) -> list[Json]:
    try:
        return [match()]
    except TimeoutError:
        raise ExpressionError("has a pattern that takes too long") from None


def _matches(inputs: Sequence[Json], text: str) -> list[Json]:
    return _with_text(
        inputs, lambda one: bool(_pattern(text).search(one, timeout=_PATTERN_SECONDS))
    )


def _matches_full(inputs: Sequence[Json], text: str) -> list[Json]:
    return _with_text(
        inputs, lambda one: bool(_pattern(text).fullmatch(one, timeout=_PATTERN_SECONDS))
    )


def _replaced(inputs: Sequence[Json], text: str, by: str) -> list[Json]:
    by = regex.sub(r"\$(\d)", r"\\\1", by)
    return _with_text(inputs, lambda one: _pattern(text).sub(by, one, timeout=_PATTERN_SECONDS))


def _with_text(inputs: Sequence[Json], do: Callable[[str], Json]) -> list[Json]:
    if len(inputs) != 1 or not isinstance(inputs[0], str):
        return []
    text = inputs[0]
    return _timed(lambda: do(text))
