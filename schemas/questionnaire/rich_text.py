"""Formatted words of a form: `rendering-xhtml` and `rendering-markdown`, made plain and made safe.

    with_words(value, path) -> the form with plain words everywhere, and where they were filled in

Plain text is what is signed, printed and exported. The formatting that a page may show is XHTML of
a few elements; Markdown becomes the same. Scripts and pictures in it are left out. A link keeps its
target, so that it is seen what a consent points to; plain words have it as Markdown does.
"""

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from schemas.questionnaire import extensions as ext
from schemas.questionnaire.model import Json

SAFE = frozenset(
    {
        *("p", "br", "strong", "em", "u", "s", "sub", "sup", "ul", "ol", "li", "blockquote"),
        *("h3", "h4", "table", "tbody", "tr", "td", "th"),
    }
)
"""The elements that a page may show."""

_SAME = {
    "b": "strong",
    "i": "em",
    "h1": "h3",
    "h2": "h3",
    "h5": "h4",
    "h6": "h4",
    "del": "s",
    "thead": "tbody",
    "div": "p",
    "section": "p",
}
_BLOCKS = frozenset({"p", "li", "h3", "h4", "tr", "blockquote", "ul", "ol", "table"})
_SILENT = frozenset({"script", "style", "head", "template", "title"})
_EMPTY = frozenset({"br"})
_MAX = 100_000
"""Characters of one text; beyond that, its plain form is all there is."""


@dataclass(slots=True)
class _Reader(HTMLParser):
    """Collects plain words, and the safe elements around them."""

    words: list[str] = field(default_factory=list)
    safe: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    silent: int = 0

    def __post_init__(self) -> None:
        HTMLParser.__init__(self, convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _SILENT:
            self.silent += 1
        name = _SAME.get(tag, tag)
        href = dict(attrs).get("href") if tag == "a" else None
        if href and not self.silent:
            self.words.append("[")
            self.safe.append(f'<a href="{html.escape(href)}">')
            self.opened.append("a")
            self.targets.append(href)
        if self.silent or name not in SAFE:
            return
        if name == "br":
            self.words.append("\n")
            self.safe.append("<br/>")
            return
        if name in _BLOCKS:
            self._line()
        if name == "li":
            self.words.append("• ")
        self.safe.append(f"<{name}>")
        self.opened.append(name)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _EMPTY:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in _SILENT:
            self.silent = max(0, self.silent - 1)
        name = _SAME.get(tag, tag)
        if self.silent or name not in self.opened:
            return
        while self.opened:
            last = self.opened.pop()
            self.safe.append(f"</{last}>")
            if last in _BLOCKS:
                self._line()
            elif last in {"td", "th"}:
                self.words.append("  ")
            elif last == "a":
                self.words.append(f"]({self.targets.pop()})")
            if last == name:
                return

    def handle_data(self, data: str) -> None:
        if self.silent:
            return
        text = re.sub(r"\s+", " ", data)
        self.words.append(text)
        self.safe.append(html.escape(text, quote=False))

    def _line(self) -> None:
        self.words.append("\n")

    def finish(self) -> "_Reader":
        """Close what is open."""
        self.close()
        while self.opened:
            self.safe.append(f"</{self.opened.pop()}>")
        return self


def plain(xhtml: str) -> str:
    """Return the words of XHTML, a line for each block."""
    lines = "".join(_read(xhtml).words).replace("\xa0", " ").split("\n")
    kept = [re.sub(r" {3,}", "  ", line).strip() for line in lines]
    return "\n".join(line for line in kept if line and line != "•")


def safe(xhtml: str) -> str | None:
    """Return XHTML of the safe elements alone, or None where nothing of it is formatted."""
    if len(xhtml) > _MAX:
        return None
    found = "".join(_read(xhtml).safe).strip()
    found = re.sub(r"<p>\s*</p>", "", found)
    alone = re.fullmatch(r"<p>([^<]*)</p>", found)
    return None if alone or "<" not in found else found


def _read(xhtml: str) -> _Reader:
    reader = _Reader()
    reader.feed(xhtml)
    return reader.finish()


def from_markdown(markdown: str) -> str:
    """Return Markdown (CommonMark) as XHTML; HTML within it is text."""
    from markdown_it import MarkdownIt  # noqa: PLC0415 - of new flows that have Markdown

    parser = MarkdownIt("commonmark", {"html": False}).enable("table")
    rendered: str = parser.render(markdown)
    return rendered


# -- in a form ---------------------------------------------------------------------------------


@dataclass(slots=True)
class Words:
    """A form with plain words everywhere, and the paths where they were filled in."""

    form: dict[str, Json]
    filled: list[str]


def with_words(value: dict[str, Json], path: str) -> Words:
    """Return a copy with the plain words of each formatted text, and the formatting made safe."""
    filled: list[str] = []
    form: dict[str, Json] = _with_words(value, path, filled)
    return Words(form, filled)


def _with_words(value: Json, path: str, filled: list[str]) -> Json:
    if isinstance(value, list):
        return [_with_words(one, f"{path}[{index}]", filled) for index, one in enumerate(value)]
    if not isinstance(value, dict):
        return value
    found = {key: _with_words(below, f"{path}.{key}", filled) for key, below in value.items()}
    for key in [key for key in found if key.startswith("_")]:
        formatted = _formatted(found[key])
        if formatted is None:
            continue
        found[key] = _with_formatting(found[key], safe(formatted))
        name = key.removeprefix("_")
        written = found.get(name)
        words = plain(formatted)
        if words and not (isinstance(written, str) and written.strip()):
            found[name] = words
            filled.append(f"{path}.{name}")
    return found


def _formatted(sibling: Json) -> str | None:
    """Return what a primitive's extensions say in XHTML, or else in Markdown."""
    xhtml, markdown = (_text(sibling, url) for url in (ext.XHTML, ext.MARKDOWN))
    if xhtml is not None:
        return xhtml
    return None if markdown is None else from_markdown(markdown)


def _text(sibling: Json, url: str) -> str | None:
    extensions = sibling.get("extension") if isinstance(sibling, dict) else None
    for one in extensions if isinstance(extensions, list) else ():
        if isinstance(one, dict) and one.get("url") == url:
            text = next((v for k, v in one.items() if k.startswith("value")), None)
            return text if isinstance(text, str) else None
    return None


def _with_formatting(sibling: dict[str, Json], formatting: str | None) -> dict[str, Json]:
    """Return the extensions of a primitive with the safe formatting alone."""
    others = [
        one
        for one in sibling["extension"]
        if not (isinstance(one, dict) and one.get("url") in (ext.XHTML, ext.MARKDOWN))
    ]
    own = [] if formatting is None else [{"url": ext.XHTML, "valueString": formatting}]
    found = {**sibling, "extension": [*others, *own]}
    if not found["extension"]:
        del found["extension"]
    return found
