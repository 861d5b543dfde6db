"""What differs between two versions of a form, in a person's words."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from schemas.questionnaire.model import Coding, FieldKind, Flow, Item, Option

_LENGTH = 70
_SIGNED = frozenset({FieldKind.CONSENT, FieldKind.SIGNATURE})


@dataclass(frozen=True, slots=True)
class Change:
    """One difference. `about` is a linkId, or None for the form."""

    about: str | None
    sentence: str


def changes(old: Flow, new: Flow) -> tuple[Change, ...]:
    """Return what differs, in the order of the new form; what is gone comes last."""
    found = [*_of_form(old, new)]
    for link_id, item in new.items.items():
        before = old.items.get(link_id)
        if before is None:
            found.append(Change(link_id, f"{_kind(item)} is new{_where(new, item)}"))
        else:
            found += (Change(link_id, said) for said in _of_item(new, before, item))
    gone = (item for link_id, item in old.items.items() if link_id not in new.items)
    found += (Change(i.link_id, f"{_kind(i)} is gone: {_quoted(i.words)}") for i in gone)
    return tuple(found)


def _of_form(old: Flow, new: Flow) -> Iterator[Change]:
    if old.title != new.title:
        yield Change(None, f"The title is {_quoted(new.title)}, and was {_quoted(old.title)}")
    for word, before, after in (
        ("Language", old.languages, new.languages),
        ("Step", [one.step_id for one in old.steps], [one.step_id for one in new.steps]),
    ):
        yield from (Change(None, f"{word} {one} is new") for one in after if one not in before)
        yield from (Change(None, f"{word} {one} is gone") for one in before if one not in after)
    common = [one.step_id for one in old.steps if one.step_id in new.step_of]
    if common != [one.step_id for one in new.steps if one.step_id in old.step_of]:
        yield Change(None, "The steps come in another order")
    if old.expressions != new.expressions:
        yield Change(None, "The form calculates in another way")


def _of_item(new: Flow, before: Item, after: Item) -> Iterator[str]:
    if before.step_id != after.step_id:
        yield f"Moved{_where(new, after)}"
    if before.words != after.words:
        signed = "What is signed reads" if after.kind in _SIGNED else "Reads"
        yield f"{signed} {_quoted(after.words)}, and read {_quoted(before.words)}"
    if before.translations != after.translations:
        yield "Its translations differ"
    if before.kind is not after.kind:
        yield f"Is a {after.kind.value}, and was a {before.kind.value}"
    yield from _of_demands(before, after)
    yield from _of_options(before.options, after.options)
    if (before.enable_when, before.enable_behavior) != (after.enable_when, after.enable_behavior):
        yield _asked(after)
    if before.expressions != after.expressions:
        yield "Its expressions differ"
    if before.initial != after.initial:
        yield "Begins with another answer" if after.initial else "Begins without an answer"


def _of_demands(before: Item, after: Item) -> Iterator[str]:
    for was, now, yes, no in (
        (before.required, after.required, "Must be answered", "May stay empty"),
        (before.repeats, after.repeats, "Takes several answers", "Takes one answer"),
        (before.read_only, after.read_only, "Cannot be changed", "Can be changed"),
        (before.hidden, after.hidden, "Is hidden", "Is shown"),
        (before.sensitive, after.sensitive, "Is masked for staff", "Is not masked for staff"),
    ):
        if was != now:
            yield f"{yes if now else no} now"
    limits = ("min_value", "max_value", "min_length", "max_length", "regex", "min_occurs")
    more = ("max_occurs", "max_size", "media_types", "max_decimal_places", "unit", "unit_options")
    for name in (*limits, *more):
        was, now = getattr(before, name), getattr(after, name)
        if was != now:
            yield f"{name.replace('_', ' ').capitalize()} is {_set(now)}, and was {_set(was)}"


def _set(value: object) -> str:
    return "not set" if value in {None, ()} else str(value)


def _of_options(
    before: tuple[Option, ...] | None, after: tuple[Option, ...] | None
) -> Iterator[str]:
    was, now = _named(before), _named(after)
    yield from (
        f"{_quoted(label)} can be answered now" for key, label in now.items() if key not in was
    )
    yield from (
        f"{_quoted(label)} can no longer be answered"
        for key, label in was.items()
        if key not in now
    )
    both = [(was[key], label) for key, label in now.items() if key in was]
    yield from (
        f"The answer {_quoted(old)} is called {_quoted(new)}" for old, new in both if old != new
    )


def _named(options: Iterable[Option] | None) -> Mapping[str, str]:
    return {_key(option): option.label() for option in options or ()}


def _key(option: Option) -> str:
    value = option.value
    if isinstance(value, Coding):
        return f"{value.system or ''}|{value.code or value.display}"
    return str(value)


def _asked(item: Item) -> str:
    if not item.enable_when:
        return "Is asked of everybody now"
    questions = ", ".join(dict.fromkeys(str(one.question) for one in item.enable_when))
    return f"Is asked under another condition, on {questions}"


def _kind(item: Item) -> str:
    if item.type is FieldKind.GROUP:
        return "A group"
    return "A text" if item.type is FieldKind.DISPLAY else "A question"


def _where(flow: Flow, item: Item) -> str:
    words = f": {_quoted(item.words)}" if item.words else ""
    return f" on the step {_quoted(flow.step_of[item.step_id].title)}{words}"


def _quoted(text: str) -> str:
    line = " ".join(text.split())
    return f'"{line if len(line) <= _LENGTH else line[: _LENGTH - 1] + "…"}"'
