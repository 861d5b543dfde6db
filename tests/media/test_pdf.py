"""A PDF is taken where it is whole and does nothing by itself."""

import zlib
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name

from session_controller.media import pdf as reader
from tests.media.samples import kept, pdf, refused

PDF = "application/pdf"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"linearize": True},
        {"object_stream_mode": pikepdf.ObjectStreamMode.generate},
        {"qdf": True},
    ],
)
def test_a_pdf_is_stored_as_it_came(options: dict[str, Any]) -> None:
    """However it is written, a PDF is taken, its pages counted, and no byte changed."""
    data = pdf(lambda document: document.add_blank_page(), **options)
    found = kept(data, PDF, "application/pdf")
    assert (found.data, found.pages, found.media_type) == (data, 2, PDF)


def _action(kind: str, **more: Any) -> Dictionary:
    return Dictionary(S=Name("/" + kind), **more)


def _on_root(name: str, value: Any) -> Any:
    return lambda document: document.Root.__setitem__(name, value)


def _annotated(**annotation: Any) -> Any:
    def change(document: pikepdf.Pdf) -> None:
        made = Dictionary(Type=Name.Annot, Rect=Array([0, 0, 9, 9]), **annotation)
        document.pages[0].obj["/Annots"] = Array([document.make_indirect(made)])

    return change


def _embedding(document: pikepdf.Pdf) -> None:
    document.attachments["x.txt"] = b"something else"


SCRIPT = _action("JavaScript", JS="app.alert(1)")
LINK = _action("URI", URI="https://handrail.example/")
ACTIVE = {
    "a script on opening": _on_root("/OpenAction", SCRIPT),
    "a program on opening": _on_root("/OpenAction", _action("Launch", F="calc.exe")),
    "a link on opening": _on_root("/OpenAction", LINK),
    "something after the first page": _on_root(
        "/OpenAction", _action("GoTo", D=Array([0, Name.Fit]), Next=LINK)
    ),
    "a named script": _on_root(
        "/Names", Dictionary(JavaScript=Dictionary(Names=Array(["x", SCRIPT])))
    ),
    "actions of the document": _on_root("/AA", Dictionary(WC=LINK)),
    "actions of a page": lambda document: document.pages[0].obj.__setitem__(
        "/AA", Dictionary(O=LINK)
    ),
    "a script on a button": _annotated(Subtype=Name.Link, A=SCRIPT),
    "a script after a link": _annotated(Subtype=Name.Link, A=_action("URI", URI="x", Next=SCRIPT)),
    "a form that sends": _annotated(Subtype=Name.Link, A=_action("SubmitForm", F="https://x")),
    "another document": _annotated(Subtype=Name.Link, A=_action("GoToR", F="other.pdf")),
    "rich media": _annotated(Subtype=Name.RichMedia),
    "a file on a page": _annotated(Subtype=Name.FileAttachment, FS=Dictionary(F="x")),
    "a file within": _embedding,
    "a form of XML": _on_root("/AcroForm", Dictionary(XFA=Array([]), Fields=Array([]))),
    "a collection": _on_root("/Collection", Dictionary(Type=Name.Collection)),
}


@pytest.mark.parametrize("options", [{}, {"object_stream_mode": pikepdf.ObjectStreamMode.generate}])
@pytest.mark.parametrize("name", ACTIVE)
def test_a_pdf_that_acts_is_refused(name: str, options: dict[str, Any]) -> None:
    """Whatever runs, opens, sends or holds something else, packed or not, is refused."""
    assert refused(pdf(ACTIVE[name], **options), PDF) == "active_content"


def test_a_hidden_name_is_found() -> None:
    """A name that is written in hexadecimal is the same name (ISO 32000-2, 7.3.5)."""
    data = pdf(ACTIVE["a script on a button"]).replace(b"/JavaScript", b"/Java#53cript")
    assert b"/JavaScript" not in data
    assert refused(data, PDF) in {"active_content", "damaged"}


def _with_a_font_called_aa(document: pikepdf.Pdf) -> None:
    font = Dictionary(Type=Name.Font, Subtype=Name.Type1, BaseFont=Name.Helvetica)
    document.pages[0].obj["/Resources"] = Dictionary(Font=Dictionary(AA=font, JS=font))


HARMLESS = {
    "a link": _annotated(Subtype=Name.Link, A=LINK),
    "its first page": _on_root("/OpenAction", _action("GoTo", D=Array([0, Name.Fit]))),
    "a place to begin": _on_root("/OpenAction", Array([0, Name.Fit])),
    "odd names of fonts": _with_a_font_called_aa,
    "a form": _on_root("/AcroForm", Dictionary(Fields=Array([]))),
}


@pytest.mark.parametrize("name", HARMLESS)
def test_a_pdf_that_waits_is_taken(name: str) -> None:
    """A link that waits for a hand, a page to begin with and odd names are no reason."""
    assert kept(pdf(HARMLESS[name]), PDF)


@pytest.mark.parametrize("user", ["", "secret"])
def test_a_pdf_with_a_password_is_refused(user: str) -> None:
    """An encrypted PDF is refused even where it opens without asking."""
    lock = pikepdf.Encryption(owner="owner", user=user)
    assert refused(pdf(encryption=lock), PDF) == "encrypted"


@pytest.mark.parametrize(
    "end", [b"<script>", b"PK\x03\x04 rest PK\x05\x06" + bytes(18), b"\nMZ", b"\n%"]
)
def test_a_pdf_with_something_behind_it_pretends(end: bytes) -> None:
    """After its last end there may be white space and no more."""
    assert refused(pdf() + end, PDF) == "pretends"
    assert kept(pdf() + b"\r\n\0 ", PDF)


def test_an_archive_that_ends_like_a_pdf_pretends() -> None:
    """An archive whose comment is a PDF's end is found by its directory."""
    comment = b"%%EOF\n"
    archive = b"PK\x05\x06" + bytes(16) + len(comment).to_bytes(2, "little") + comment
    assert refused(pdf() + archive, PDF) == "pretends"


@pytest.mark.parametrize("start", [b"\n", b"<html>", b"GIF89a", b"\xef\xbb\xbf", b"MZ\0"])
def test_a_pdf_with_something_before_it_pretends(start: bytes) -> None:
    """The header is at byte 0, though readers would find it later as well."""
    assert refused(start + pdf(), PDF) == "pretends"


def test_a_pdf_without_a_page_is_damaged() -> None:
    """There is nothing to look at."""
    assert refused(pdf(lambda document: document.pages.__delitem__(0)), PDF) == "damaged"


def test_a_pdf_whose_table_is_wrong_is_damaged() -> None:
    """It is not repaired: each program would do so in its own way."""
    data = pdf()
    at = data.rindex(b"startxref\n") + len(b"startxref\n")
    assert refused(data[:at] + b"1" + data[at:], PDF) == "damaged"


def _raw_stream(document: pikepdf.Pdf, packed: bytes, **more: Any) -> Any:
    stream = document.make_stream(b"")
    stream.write(packed, filter=Name.FlateDecode)
    for name, value in more.items():
        stream[f"/{name}"] = value
    return stream


def test_a_page_that_unpacks_without_end_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """What all streams unpack to is bounded, and counted without holding it."""
    monkeypatch.setattr(reader, "MOST_UNPACKED", 20 << 20)
    packed = zlib.compress(bytes(30 << 20), 9)

    def change(document: pikepdf.Pdf) -> None:
        document.pages[0].obj["/Contents"] = _raw_stream(document, packed)

    assert refused(pdf(change, compress_streams=False), PDF) == "too_large"


def test_objects_that_unpack_without_end_are_refused() -> None:
    """A stream of objects is unpacked in memory: qpdf is told how much of it to use."""
    packed = zlib.compress(b"1 0 " + bytes(reader.MOST_IN_ONE_TABLE + 1), 9)
    body = b"%%PDF-1.5\n4 0 obj\n<< /Type /ObjStm /N 1 /First 4 /Filter /FlateDecode /Length %d >>"
    head = body % len(packed) + b"\nstream\n"
    table = len(head) + len(packed) + len(b"\nendstream\nendobj\n")
    rows = b"".join(
        kind.to_bytes(1, "big") + a.to_bytes(4, "big") + b.to_bytes(1, "big")
        for kind, a, b in ((0, 0, 0), (2, 4, 0), (0, 0, 0), (0, 0, 0), (1, 10, 0), (1, table, 0))
    )
    xref = b"5 0 obj\n<< /Type /XRef /Size 6 /W [1 4 1] /Root 1 0 R /Length %d >>\nstream\n"
    end = b"\nendstream\nendobj\nstartxref\n%d\n%%%%EOF\n" % table
    data = head + packed + b"\nendstream\nendobj\n" + xref % len(rows) + rows + end
    assert len(data) < 200_000
    assert refused(data, PDF) in {"damaged", "too_large"}


def _with_picture(width: Any, height: Any) -> Any:
    def change(document: pikepdf.Pdf) -> None:
        head = Dictionary(Type=Name.XObject, Subtype=Name.Image, Width=width, Height=height)
        picture = document.make_stream(b"", head)
        document.pages[0].obj["/Resources"] = Dictionary(XObject=Dictionary(P=picture))

    return change


def test_a_picture_of_many_pixels_in_a_pdf_is_too_large() -> None:
    """What a reader would have to decode to show a page is bounded."""
    assert kept(pdf(_with_picture(10_000, 14_000)), PDF)
    assert refused(pdf(_with_picture(20_000, 20_000)), PDF) == "too_large"
    assert refused(pdf(_with_picture(Name.Wide, 1)), PDF) == "damaged"


def test_too_many_objects_are_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of objects is bounded, since each is looked at."""
    monkeypatch.setattr(reader, "MOST_OBJECTS", 3)
    assert refused(pdf(), PDF) == "too_large"


def test_objects_within_objects_without_end_are_refused() -> None:
    """Nesting deeper than any writer makes does not exhaust the stack."""
    nested = b"[" * 400 + b"]" * 400
    data = pdf(_on_root("/Odd", Array([]))).replace(b"/Odd [ ]", b"/Odd " + nested)
    assert refused(data, PDF) in {"too_large", "damaged"}
