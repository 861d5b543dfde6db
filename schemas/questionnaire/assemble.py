"""Builds a flow from parsed items: steps, bound conditions, identity."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from schemas.questionnaire import extensions as ext
from schemas.questionnaire import rules
from schemas.questionnaire.conditions import WrittenCondition, bind, components, find_question
from schemas.questionnaire.field_ids import LOOKS_LIKE_INSTANCE, has_repeating_groups
from schemas.questionnaire.items import Around, Reading, read_item
from schemas.questionnaire.json_path import Cursor
from schemas.questionnaire.model import Condition, FieldKind, Item, Step, StepTitle

MAX_CANONICAL = 512 * 1024
"""Bytes of canonical JSON: the protocol's limit for `flows/{flow_ref}`."""

_FLOW_ID_LENGTH = 51
"""A flow_ref adds a hyphen and 12 digits, and must fit into a topic level of 64 characters."""


def read_contained(root: Cursor) -> dict[str, Cursor]:
    """Return the contained resources by `#id` and by url."""
    found: dict[str, Cursor] = {}
    for resource in root.each("contained"):
        name, url = resource.text("id"), resource.text("url")
        found |= {f"#{name}": resource} if name else {}
        found |= {url: resource} if url else {}
    return found


# -- steps -------------------------------------------------------------------------------------


_MOST_ON_A_PAGE = 40
"""Questions of a form's only group; with more, its groups become steps."""


def read_steps(root: Cursor, reading: Reading) -> tuple[Step, ...]:
    """Parse all items, and divide the top level into steps.

    A group that is too long for a page, or whose groups are pages (itemControl), is divided at its
    own items in the same way.
    """
    pages: list[list[str]] = []
    loose = False
    for child in root.each("item"):
        is_group = child.value.get("type") == FieldKind.GROUP
        step_id = pages[-1][0] if loose and not is_group else ""
        divided = is_group and _is_divided(child, root)
        around = Around(step_id=step_id, pages=[] if divided else None)
        link_id = read_item(child, around, reading)
        if link_id is None:
            continue
        if around.pages:
            pages += around.pages
        elif step_id:
            pages[-1].append(link_id)
        else:
            pages.append([link_id])
        loose = not is_group
    if not root.value.get("item"):
        root.refuse("item", "is missing; a form needs at least one item")
    return tuple(_step(index, page, reading) for index, page in enumerate(pages))


def _is_divided(group: Cursor, root: Cursor) -> bool:
    children = [child for child in group.each("item") if child.value.get("type") == FieldKind.GROUP]
    if group.flag("repeats") or not children or group.extension_flag(ext.CONSENT):
        return False
    if any(child.extension_code(ext.ITEM_CONTROL) == "page" for child in children):
        return True
    others = [one for one in root.each("item") if one.value.get("type") != FieldKind.DISPLAY]
    return len(others) == 1 and len(children) > 1 and _questions(group) > _MOST_ON_A_PAGE


def _questions(above: Cursor) -> int:
    """Count the questions below an item."""
    asks = above.value.get("type") not in (FieldKind.GROUP, FieldKind.DISPLAY)
    return asks + sum(map(_questions, above.each("item")))


def _step(index: int, page: list[str], reading: Reading) -> Step:
    first, items = reading.items[page[0]], [reading.items[link_id] for link_id in page]
    return Step(
        step_id=first.link_id,
        index=index,
        titles={i.link_id: StepTitle(i.words, i.hidden, i.translations) for i in items},
        item_ids=tuple(page),
        skippable=first.skippable,
        self_paced=first.self_paced,
    )


# -- conditions --------------------------------------------------------------------------------


def bind_conditions(reading: Reading) -> tuple[dict[str, Item], tuple[str, ...]]:
    """Resolve each condition's question, mark cycles, and order the items for evaluation."""
    parents = {link_id: item.parent for link_id, item in reading.items.items()}
    questions = {
        link_id: tuple(_question(one, parents) for one in written)
        for link_id, written in reading.conditions.items()
    }
    groups = tuple(components(_dependencies(parents, questions)))
    circle = {link_id: number for number, group in enumerate(groups) for link_id in group}
    items = {
        link_id: replace(item, enable_when=_bound(link_id, reading, questions, circle))
        for link_id, item in reading.items.items()
    }
    position = {link_id: number for number, link_id in enumerate(items)}
    # Within a cycle only parent before child matters, which document order ensures.
    ordered = [sorted(group, key=position.__getitem__) for group in groups]
    for group in ordered:
        _note_circle(group, items, reading)
    _check_link_ids(items, reading)
    return items, tuple(chain.from_iterable(ordered))


def _question(written: WrittenCondition, parents: Mapping[str, str | None]) -> str | None:
    link_id = find_question(written.question, parents)
    if link_id is None:
        absent = written.operator == "!=" or (written.operator, written.answer) == ("exists", False)
        written.cursor.note(
            rules.ALWAYS_HOLDS if absent else rules.NEVER_HOLDS,
            "question",
            f'"{written.question}" is not a linkId of this form; treated as unanswered',
        )
        return None
    if link_id != written.question:
        written.cursor.note(
            rules.REINTERPRETED, "question", f'"{written.question}" is read as linkId "{link_id}"'
        )
    return link_id


def _dependencies(
    parents: Mapping[str, str | None], questions: Mapping[str, tuple[str | None, ...]]
) -> dict[str, list[str]]:
    return {
        link_id: [one for one in (parent, *questions[link_id]) if one is not None]
        for link_id, parent in parents.items()
    }


def _bound(
    link_id: str,
    reading: Reading,
    questions: Mapping[str, tuple[str | None, ...]],
    circle: Mapping[str, int],
) -> tuple[Condition, ...]:
    return tuple(
        bind(written, question, raw=question is not None and circle[question] == circle[link_id])
        for written, question in zip(reading.conditions[link_id], questions[link_id], strict=True)
    )


def _note_circle(group: Sequence[str], items: Mapping[str, Item], reading: Reading) -> None:
    """Note conditions that depend on each other; `group` is in document order."""
    if any(condition.raw for link_id in group for condition in items[link_id].enable_when):
        names = ", ".join(group)
        reading.cursors[group[0]].note(
            rules.CIRCLE,
            "enableWhen",
            f"depend on each other in a cycle: {names}; their answers count "
            "whether or not their questions are enabled",
        )


def _check_link_ids(items: Mapping[str, Item], reading: Reading) -> None:
    if not has_repeating_groups(items):
        return
    for link_id in items:
        if LOOKS_LIKE_INSTANCE.search(link_id):
            reading.cursors[link_id].refuse("linkId", "looks like an instance of a repeating group")


# -- identity ----------------------------------------------------------------------------------


def find_flow_id(root: Cursor, fallback_id: str | None) -> str:
    """Derive the flow's id from the first usable of id, name, url, title and the fallback."""
    url = root.text("url") or ""
    last = re.split(r"[/:#|]", url.rstrip("/"))[-1]
    for name in (root.text("id"), root.text("name"), last, root.text("title"), fallback_id):
        found = slug(name or "")
        if found:
            return found
    root.refuse("id", "is missing, and so is a usable name, url or title")
    return "flow"


def slug(name: str) -> str:
    """Return a name in the characters that topics allow; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_FLOW_ID_LENGTH].strip("-")


def find_languages(root: Cursor, items: Mapping[str, Item]) -> tuple[str, ...]:
    """Return the languages of the texts, the questionnaire's own first."""
    found = dict.fromkeys([root.text("language") or ""])
    found |= dict.fromkeys(root.translations("title"))
    for item in items.values():
        found |= dict.fromkeys(item.translations)
        for option in item.options or ():
            found |= dict.fromkeys(option.translations)
    return tuple(language for language in found if language)
