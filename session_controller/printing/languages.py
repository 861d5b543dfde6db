"""Which languages the record itself speaks, and how languages are named in it."""

from session_controller.printing.english import ENGLISH
from session_controller.printing.spanish import SPANISH
from session_controller.printing.words import Words

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
"""Languages by their own names, as far as the fonts that are always there can write them."""

LANGUAGES = {words.language: words for words in (ENGLISH, SPANISH)}


def words_in(language: str | None) -> Words:
    """Give the table for a language (BCP 47), by its base; English where there is none."""
    base = (language or "").partition("-")[0].lower()
    return LANGUAGES.get(base, ENGLISH)


def language_text(tag: str) -> str:
    """Name a language (BCP 47) by itself, with its tag."""
    name = _NAMES.get(tag.partition("-")[0].lower())
    return f"{name} ({tag})" if name else tag
