"""Documentation is in plain US English, with one word for one thing.

Each pattern is a word or phrase that reads as foreign, British or as a second word for something
that has one, with what to write instead. Code is left out: `handrail device enrol` is a command.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT

_GENERATED = ("command-line.md", "states.md")
PAGES = [
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if page.name not in _GENERATED),
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md")),
]

INSTEAD = {
    # US spelling
    r"colour(s|ed|ing)?": "color",
    r"honour(s|ed|ing)?": "support, or honor",
    r"behaviours?": "behavior",
    r"favour(s|ed|ite|able)?": "favor",
    r"neighbour(s|ing)?": "neighbor",
    r"grey": "gray",
    r"licences?": "license",
    r"centres?": "center",
    r"metres?": "meter",
    r"programmes?": "program",
    r"catalogues?": "catalog",
    r"artefacts?": "artifact",
    r"judgements?": "judgment",
    r"defences?": "defense",
    r"(organ|recogn|author|normal|synchron|initial|minim)is(e|es|ed|ing|ation)": "-ize",
    r"analys(e|es|ed|ing)": "analyze",
    r"(label|travel|model|signal)l(ed|ing)": "-ed and -ing with one l",
    r"enrol(s|ment|ments)?": "enroll, enrollment",
    r"fulfils?": "fulfill",
    r"(learnt|spelt|burnt)": "-ed",
    r"whilst": "while",
    r"amongst": "among",
    r"towards": "toward",
    # One word for one thing (docs/reference/glossary.md)
    r"patient's screens?": "patient screen",
    r"patient's devices?": "patient screen",
    r"(staff's|staff|facility's|facility) screens?": "front-desk screen",
    r"our (page|screen)s?": "the page",
    r"time lines?": "timeline",
    r"pre-registrations?": "check-in",
    r"(give|gives|given|giving) out": "export",
    r"(sealed|unsealed)": "encrypted, or signed",
    r"in the clear": "unencrypted",
    # Idiom
    r"(stand|stands|stood|standing) (in|on|there|beside|with|again|still|alone)": "is in, is on",
    r"(bear|bears|borne)": "has, contains",
    r"(lie|lies|lay) (in|on|beside|with|there)": "is in, is next to",
    r"what comes? of": "results of, what happens to",
    r"(go|goes|went|gone|going) on": "continue",
    r"of (one's|its|their|his|her|our|my) own": "its own …, separate",
    r"(has|have|had|having) to": "must",
    r"some \d": "about",
    r"it is told": "is reported",
    r"(for|to|by|of|from|with) who": "people who, the person who",
    r"whoever": "anyone who",
    r"all the same": "anyway",
    r"for good": "permanently",
    r"anew": "again, new",
    r"seldom": "rarely",
    r"perhaps": "possibly, optionally",
    r"(let|lets|letting) go": "disconnect, dismiss",
    r"(let|lets|letting) in": "accept",
    r"(take|takes|took|taken|taking) (it |them )?back": "withdraw, undo",
    r"(put|puts|putting) out": "remove",
    r"(take|takes|took|taken|taking) the place of": "replace",
    r"(say|says|said) again": "repeat, republish",
    r"(look|looks|looked) (it |a folder |the folder )?over": "check",
    r"(judge|judges|judged|judging)": "decide, check",
    r"(hear|hears|heard) (of|from)": "is notified of, receive",
    r"(wear|wears|worn|wore) (it |him )?out": "exhaust",
    r"nothing besides?( it)?": "only",
    r"leave to (read|write|publish|connect)": "permission to",
    r"a wall": "a partition, no connectivity",
    r"a watch": "a monotonic clock",
    r"(thereof|thereby|hence|whereof)": "so, of it",
    r"stumbles?( over)?": "fail",
    r"no word to (anybody|anyone)": "without telling anyone",
    r"is ill": "has problems",
}
"""What to write instead, by pattern. A space also matches a line break."""

_PATTERNS = {
    re.compile(rf"(?<![\w-])(?:{pattern.replace(' ', chr(92) + 's+')})(?![\w-])", re.IGNORECASE): to
    for pattern, to in INSTEAD.items()
}
_CODE = re.compile(
    r"^ *```.*?^ *```|`[^`]*`|\]\([^)]*\)|<!--.*?-->|(?<![*\w])\*[^*\n]+\*(?!\*)",
    re.MULTILINE | re.DOTALL,
)


def prose_of(text: str) -> str:
    """Blank out code, targets of links and *labels of the pages*; the rest stays where it is."""
    return _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code.group()), text)


def found_in(text: str, name: str) -> Iterator[str]:
    """Yield the file, line, what was found there, and what to write."""
    prose = prose_of(text)
    for pattern, instead in _PATTERNS.items():
        for match in pattern.finditer(prose):
            line = prose.count("\n", 0, match.start()) + 1
            yield f"{name}:{line}: found '{' '.join(match.group().split())}': write {instead}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_plain_english(page: Path) -> None:
    """Write as the readers do: clinics in the United States."""
    assert list(found_in(page.read_text(), str(page.relative_to(ROOT)))) == []


def test_the_words_are_found_where_they_are() -> None:
    """Over a line's end, with their line; not in code or in the address of a link."""
    text = "It `has to` stay.\n\n```\ncolour\n```\nSee [x](colour.md): it goes\non, and COLOUR."
    assert list(found_in(text, "page.md")) == [
        "page.md:7: found 'COLOUR': write color",
        "page.md:6: found 'goes on': write continue",
    ]
    assert len(INSTEAD) >= 60
