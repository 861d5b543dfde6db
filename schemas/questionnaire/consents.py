"""Checks of what is signed: a consent has words, and points to no document outside the form."""

from collections.abc import Iterable

from schemas.questionnaire.items import Reading
from schemas.questionnaire.json_path import Cursor
from schemas.questionnaire.linked import outside
from schemas.questionnaire.model import FieldKind, Item

_SIGNED = (FieldKind.CONSENT, FieldKind.SIGNATURE)
_WRITTEN = ("rendering-markdown", "rendering-xhtml")
_WHAT_TO_DO = (
    'put its text into "contained" (a Binary of text/plain or text/markdown) and link to "#its-id"'
)


def check_consents(reading: Reading) -> None:
    """Report each consent and signature without words or with words that cannot be read here."""
    if reading.accepted:
        return
    read = {item.step_id for item in reading.items.values() if _is_read(item)}
    for item in reading.items.values():
        cursor = reading.cursors[item.link_id]
        if item.kind not in _SIGNED:
            continue
        signs_others = item.kind is FieldKind.SIGNATURE and item.step_id in read
        if not _has_words(item.text) and not signs_others:
            cursor.refuse("text", _WORDLESS[item.kind])
        for target in _targets(cursor, item):
            cursor.refuse("text", _pointing(target))


_WORDLESS = {
    FieldKind.CONSENT: "is missing: a consent needs the words that the patient agrees to",
    FieldKind.SIGNATURE: "is missing, and no consent of this step has text: nothing to sign",
}


def unreadable(item: Item) -> list[str]:
    """Return why a question cannot be a consent: each document that it points to is elsewhere."""
    return [f"{_pointing(one)}, and mark the question as a consent" for one in _linked(item)]


def _pointing(target: str) -> str:
    return f'points to "{target}", which is not part of the form and cannot be read: {_WHAT_TO_DO}'


def _linked(item: Item) -> list[str]:
    texts = (item.text, *item.translations.values())
    found = (*item.links, *(target for text in texts for target in outside(text)))
    return list(dict.fromkeys(found))


def _is_read(item: Item) -> bool:
    return item.kind is FieldKind.CONSENT and not item.hidden and _has_words(item.text)


def _has_words(text: str) -> bool:
    """Return whether there is anything to read: not only spaces, marks and what nobody sees."""
    return any(character.isalnum() for character in text)


def _targets(cursor: Cursor, item: Item) -> list[str]:
    written = [target for text in _written(cursor) for target in outside(text)]
    return list(dict.fromkeys([*_linked(item), *written]))


def _written(cursor: Cursor) -> Iterable[str]:
    """Return the same text as Markdown or XHTML, where the form has it so too."""
    below = cursor.below("_text")
    for extension in () if below is None else below.each("extension"):
        url = extension.text("url") or ""
        if url.endswith(_WRITTEN):
            found = extension.choice("value")
            text = None if found is None else extension.text(found[1])
            yield text or ""
