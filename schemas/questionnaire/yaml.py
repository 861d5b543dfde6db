"""YAML as an alternative syntax for Questionnaire files; the protocol uses JSON only.

Nothing else imports this module, so the controller runs without a YAML parser.
"""

import re
from collections.abc import Hashable
from math import isfinite

import yaml

from schemas.questionnaire.model import FlowError, Json, Note
from schemas.questionnaire.source import text_of

_MAX_SOURCE = 4 * 1024 * 1024


class _Loader(yaml.SafeLoader):
    """A loader for YAML with JSON's data model: no aliases, no duplicate keys, dates are text."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Reject aliases: a few lines of them expand to gigabytes."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Json]:
        """Reject a key that is duplicate or not text."""
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str) or key in seen:
                raise yaml.MarkedYAMLError(
                    problem=f"the key {key!r} is duplicate or not text",
                    problem_mark=key_node.start_mark,
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


# YAML 1.1 parses `no` as false, 2026-11-22 as a date and 12:30 as 750. Here, only JSON's null,
# true, false and numbers are parsed as such; everything else is text.
_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    ("null", r"null|~|", ["n", "~", ""]),
    ("bool", r"true|false", ["t", "f"]),
    ("int", r"-?(?:0|[1-9][0-9]*)", list("-0123456789")),
    ("float", r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?", list("-0123456789")),
):
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(rf"(?:{_pattern})\Z"), _first
    )


def parse_yaml(source: bytes) -> dict[str, Json]:
    """Parse YAML into an object for `load_flow`. Raises `FlowError`."""
    if len(source) > _MAX_SOURCE:
        raise _broken(f"is larger than {_MAX_SOURCE} bytes")
    try:
        text = text_of(source)
    except ValueError as error:
        raise _broken(str(error)) from None
    try:
        value = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader, made stricter
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _broken(f"is not YAML: {_said(error)}") from error
    if not isinstance(value, dict):
        raise _broken("must be a mapping")
    _check_plain(value)
    return value


def _said(error: Exception) -> str:
    """Return what is wrong and where, without quoting the file."""
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    return " ".join(str(error).split())


def _check_plain(value: Json) -> None:
    """Reject what JSON cannot represent: sets, binary, infinite numbers."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for one in value:
            _check_plain(one)
    elif isinstance(value, float) and not isfinite(value):
        raise _broken("contains a number that JSON cannot represent")
    elif value is not None and not isinstance(value, str | int | float):
        raise _broken(f"contains a {type(value).__name__}, which JSON cannot represent")


def _broken(reason: str) -> FlowError:
    return FlowError((Note("Questionnaire", reason),))
