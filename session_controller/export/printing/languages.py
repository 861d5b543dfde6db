"""The languages of the record's own wording, and the names of languages."""

from session_controller.export.printing.english import ENGLISH
from session_controller.export.printing.spanish import SPANISH
from session_controller.export.printing.words import Words

_NAMES = {
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fr": "Français",
    "ht": "Kreyòl ayisyen",
    "it": "Italiano",
    "pl": "Polski",
    "pt": "Português",
    "tl": "Tagalog",
    "vi": "Tiếng Việt",
}
"""Languages by their own names, if the fonts that are always present can write them."""

LANGUAGES = {words.language: words for words in (ENGLISH, SPANISH)}


def words_in(language: str | None) -> Words:
    """Return the wording for a language (BCP 47), by its base; English if there is none."""
    base = (language or "").partition("-")[0].lower()
    return LANGUAGES.get(base, ENGLISH)


def language_text(tag: str) -> str:
    """Return a language's (BCP 47) own name, with its tag."""
    name = _NAMES.get(tag.partition("-")[0].lower())
    return f"{name} ({tag})" if name else tag
