"""`enableWhen`: parsing, resolving the question it names, and cycles among conditions."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from schemas.questionnaire import rules
from schemas.questionnaire.json_path import Cursor
from schemas.questionnaire.model import Condition, Json

OPERATORS = frozenset({"exists", "=", "!=", ">", "<", ">=", "<="})

_TEXTS = {"string", "date", "dateTime", "time"}
_PARTS = {"Coding", "Quantity", "Reference"}


@dataclass(frozen=True, slots=True)
class WrittenCondition:
    """One enableWhen as written in the form, before its question is resolved."""

    cursor: Cursor
    question: str
    operator: str
    type: str
    answer: Json


def read_conditions(item: Cursor) -> tuple[WrittenCondition, ...]:
    """Parse the conditions of an item; report each invalid one with its path."""
    read = (_condition(entry) for entry in item.each("enableWhen"))
    return tuple(condition for condition in read if condition is not None)


def read_behavior(item: Cursor) -> str:
    """Parse `enableBehavior`; the default is `any`, as in STU3 and in form editors."""
    conditions = item.value.get("enableWhen")
    behavior = item.text("enableBehavior")
    if behavior in {"any", "all"}:
        return str(behavior)
    if behavior is not None:
        item.refuse("enableBehavior", 'must be "any" or "all"')
    elif isinstance(conditions, list) and len(conditions) > 1:
        item.note(
            rules.REINTERPRETED,
            "enableBehavior",
            "is missing although there are several conditions; read as any",
        )
    return "any"


def _condition(entry: Cursor) -> WrittenCondition | None:
    question, operator = entry.text("question"), entry.text("operator")
    found = entry.choice("answer")
    if not question:
        entry.refuse("question", "is missing")
    if operator not in OPERATORS:
        entry.refuse("operator", "must be one of exists, =, !=, >, <, >=, <=")
    if found is None:
        entry.refuse("answer[x]", "is missing")
    if not question or operator not in OPERATORS or found is None:
        return None
    answer = _answer(entry, *found)
    if operator == "exists" and found[0] != "boolean":
        entry.refuse(found[1], "exists requires a boolean (FHIR rule que-7)")
    return WrittenCondition(entry, question, str(operator), found[0], answer)


def _answer(entry: Cursor, kind: str, key: str) -> Json:
    if kind == "boolean":
        return entry.flag(key)
    if kind in {"integer", "decimal"}:
        return entry.number(key)
    if kind in _TEXTS:
        return entry.text(key)
    if kind not in _PARTS:
        entry.refuse(key, f"{kind} is not an answer type that a condition can compare with")
        return None
    below = entry.below(key)
    return None if below is None else below.value


def find_question(name: str, parents: Mapping[str, str | None]) -> str | None:
    """Return the linkId that `enableWhen.question` refers to, or None if absent.

    Normally the linkId itself. `page.question`, as some form builders write it, is the question
    with the second linkId, anywhere below the group with the first.
    """
    if name in parents:
        return name
    pieces = name.split(".")
    for cut in range(1, len(pieces)):
        group, link_id = ".".join(pieces[:cut]), ".".join(pieces[cut:])
        if link_id in parents and group in _ancestors(link_id, parents):
            return link_id
        deeper = find_question(link_id, parents)
        if deeper is not None and group in _ancestors(deeper, parents):
            return deeper
    return None


def _ancestors(link_id: str, parents: Mapping[str, str | None]) -> set[str]:
    found: set[str] = set()
    above = parents[link_id]
    while above is not None:
        found.add(above)
        above = parents[above]
    return found


def bind(written: WrittenCondition, link_id: str | None, *, raw: bool) -> Condition:
    """Return the condition to evaluate, from the written one and its resolved question."""
    return Condition(link_id, written.operator, written.type, written.answer, raw=raw)


def components(edges: Mapping[str, Sequence[str]]) -> Iterable[tuple[str, ...]]:
    """Return the strongly connected components, each after its dependencies (Tarjan, 1972).

    `edges` maps each node to its dependencies. Iterative: a form may chain 2,000 items.
    """
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    for root in edges:
        work = [] if root in index else [(root, iter(edges[root]))]
        for node, _ in work:
            _open(node, index, low, stack, on_stack)
        while work:
            node, rest = work[-1]
            for target in rest:
                if target not in index:
                    _open(target, index, low, stack, on_stack)
                    work.append((target, iter(edges[target])))
                    break
                if target in on_stack:
                    low[node] = min(low[node], index[target])
            else:
                work.pop()
                if work:
                    above = work[-1][0]
                    low[above] = min(low[above], low[node])
                if low[node] == index[node]:
                    yield _close(node, stack, on_stack)


def _open(
    node: str,
    index: dict[str, int],
    low: dict[str, int],
    stack: list[str],
    on_stack: set[str],
) -> None:
    index[node] = low[node] = len(index)
    stack.append(node)
    on_stack.add(node)


def _close(node: str, stack: list[str], on_stack: set[str]) -> tuple[str, ...]:
    start = stack.index(node)
    found = tuple(stack[start:])
    del stack[start:]
    on_stack.difference_update(found)
    return found
