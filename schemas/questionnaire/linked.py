"""The documents that a text points to: contained ones become part of it, others are found.

A link `[Title](#id)` to a contained Binary or DocumentReference of plain text or Markdown is
replaced by its title, and the document's words follow the text. So they are shown in full, and a
signature of the text binds them.
"""

import base64
import binascii
import re
from collections.abc import Iterator, Mapping

from schemas.questionnaire.json_path import Cursor

_LINK = re.compile(r"\[([^\]\n]*)\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"\n]*\")?\s*\)")
_DEFINED = re.compile(r"^ {0,3}\[[^\]\n]+\]:[ \t]*<?([^\s>]*[./#][^\s>]*)", re.MULTILINE)
"""The target of `[Title][id]`, which stands apart from it."""
_HREF = re.compile(r"<a\s[^>]*?href\s*=\s*[\"']([^\"']+)[\"']", re.IGNORECASE)
_FILE = re.compile(
    r"\bhttps?://[^\s<>()\[\]]+\.(?:pdf|docx?|odt|rtf|txt|md|x?html?)\b", re.IGNORECASE
)
_NOT_DOCUMENTS = ("mailto:", "tel:", "sms:")
_READABLE = frozenset({"text/plain", "text/markdown"})


def outside(text: str) -> list[str]:
    """Return the targets of links to documents, each once: Markdown, HTML, and URLs of files."""
    linked = [found[2] for found in _LINK.finditer(text)]
    linked += [found[1] for pattern in (_DEFINED, _HREF) for found in pattern.finditer(text)]
    bare = [found[0] for found in _FILE.finditer(text)]
    found = (one for one in (*linked, *bare) if not one.lower().startswith(_NOT_DOCUMENTS))
    return list(dict.fromkeys(found))


def without_links(text: str) -> str:
    """Return a text with the titles of its Markdown links alone: nobody can follow them."""
    return _LINK.sub(r"\1", text)


def with_documents(text: str, contained: Mapping[str, Cursor]) -> str:
    """Return a text with the words of the contained documents that it points to."""
    documents: dict[str, str] = {}

    def titled(link: re.Match[str]) -> str:
        document = _words(contained.get(link[2]))
        if document is None:
            return link[0]
        documents[link[2]] = document
        return link[1]

    replaced = _LINK.sub(titled, text)
    return "\n\n".join([replaced, *documents.values()])


def _words(resource: Cursor | None) -> str | None:
    """Return the words of a document, or None if it is none that can be shown as text."""
    for part in _attachments(resource):
        kind = (part.text("contentType") or "").partition(";")[0].strip().lower()
        if kind not in _READABLE:
            continue
        try:
            words = base64.b64decode(part.text("data") or "", validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            part.refuse("data", "is not text in UTF-8, encoded as base64")
            return None
        if words.strip():
            return words.replace("\r\n", "\n").strip()
    return None


def _attachments(resource: Cursor | None) -> Iterator[Cursor]:
    kind = None if resource is None else resource.value.get("resourceType")
    if resource is not None and kind == "Binary":
        yield resource
    if resource is not None and kind == "DocumentReference":
        parts = (content.below("attachment") for content in resource.each("content"))
        yield from (part for part in parts if part is not None)
