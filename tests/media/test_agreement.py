"""A document is what its bytes are; its sender has to have said so, and the flow to want it."""

from io import BytesIO
from zipfile import ZipFile

import pytest

from session_controller.media.kinds import canonical, kind_of
from tests.media.samples import TYPES, kept, noise, pdf, refused, written

SVG = b"<?xml version='1.0'?><svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>"
HTML = b"\n <!DOCTYPE html><script>alert(1)</script>"
REAL = {TYPES[kind]: written(noise(), kind) for kind in TYPES} | {
    "application/pdf": pdf(),
    "text/plain": b"Dear doctor,\r\n\tthank you: \xc3\xa4\n",
}


def _archive(*names: str) -> bytes:
    out = BytesIO()
    with ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return out.getvalue()


WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)


@pytest.mark.parametrize("announced", REAL)
@pytest.mark.parametrize("real", REAL)
def test_what_is_announced_is_what_is_there(real: str, announced: str) -> None:
    """Every known kind is taken by its own name, and pretends under every other."""
    if real == announced:
        assert kept(REAL[real], announced).media_type == real
    else:
        assert refused(REAL[real], announced) == "pretends"


@pytest.mark.parametrize(
    ("announced", "real"),
    [
        ("image/jpg", "image/jpeg"),
        ("IMAGE/JPEG", "image/jpeg"),
        ("image/x-png", "image/png"),
        ("text/plain; charset=utf-8", "text/plain"),
    ],
)
def test_a_kind_may_go_by_another_name(announced: str, real: str) -> None:
    """Common misnomers are understood, from the sender and in a flow alike."""
    assert kept(REAL[real], announced, announced).media_type == real
    assert kept(REAL[real], real, announced).media_type == real


@pytest.mark.parametrize("announced", [*REAL, "text/csv"])
@pytest.mark.parametrize(
    "data",
    [
        SVG,
        HTML,
        b"\xef\xbb\xbf<html>",
        "\ufeff<script>".encode("utf-16-le"),
        b"MZ\x90\x00" + bytes(60),
        b"#!/bin/sh\n",
        b"\x7fELF",
        _archive("x"),
        OLE,
        b"\xca\xfe\xba\xbe\x00\x00\x004",
    ],
)
def test_what_could_run_pretends(data: bytes, announced: str) -> None:
    """Pages, drawings with scripts, programs and archives are no pictures, texts or PDFs."""
    assert refused(data, announced) == "pretends"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (SVG, "image/svg+xml"),
        (HTML, "text/html"),
        (HTML, "application/xhtml+xml"),
        (b"\x7fELF", "application/x-executable"),
        (b"#!/bin/sh", "text/x-sh"),
    ],
)
def test_what_could_run_is_never_taken(data: bytes, media_type: str) -> None:
    """Even where a flow names it."""
    assert refused(data, media_type, media_type) == "active_content"
    assert refused(data, media_type, "*/*") == "active_content"


def test_nothing_is_refused_as_empty() -> None:
    """No bytes are no document, whatever they are called."""
    for media_type in (*REAL, "application/msword", ""):
        assert refused(b"", media_type, "*/*") == "empty"


def test_the_flow_decides_what_it_takes() -> None:
    """A kind that the flow does not name is refused, however good it is."""
    png = REAL["image/png"]
    assert refused(png, "image/png", "image/jpeg", "application/pdf") == "not_allowed"
    assert kept(png, "image/png", "image/jpeg", "image/png")
    assert kept(png, "image/png", "image/*")
    assert kept(png, "image/png", "IMAGE/PNG")


def test_without_a_word_of_the_flow_the_known_kinds_are_taken() -> None:
    """A flow that names nothing takes what can be looked at, and nothing else."""
    assert refused(_archive("word/document.xml"), WORD) == "not_allowed"
    assert refused(b"\x49\x44\x33 sound", "audio/mpeg") == "not_allowed"


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (_archive("word/document.xml"), WORD),
        (OLE, "application/msword"),
        (b"ID3 sound", "audio/mpeg"),
        (b"{}", "application/json"),
    ],
)
def test_other_kinds_are_taken_where_the_flow_names_them(data: bytes, media_type: str) -> None:
    """Office documents, sound and film are stored as they came."""
    assert kept(data, media_type, media_type).data == data


@pytest.mark.parametrize(
    "media_type",
    [
        *("text/javascript", "application/javascript", "text/x-sh", "text/markdown", "text/rtf"),
        *("multipart/related", "message/rfc822", "application/octet-stream", "a/b", "text/", ""),
        *("application/x-executable", "application/rtf", "model/vrml", "font/ttf", "video"),
    ],
)
def test_no_other_kind_is_taken(media_type: str) -> None:
    """Not even where a flow names it: nobody knows what opens it, and what that does."""
    assert refused(b"alert(1)", media_type, media_type) == "unsupported"
    assert refused(b"alert(1)", media_type, "*/*", "*") == "unsupported"


@pytest.mark.parametrize("announced", [WORD, "application/msword", "audio/mpeg", "a/b"])
def test_a_known_kind_hides_behind_no_other_name(announced: str) -> None:
    """A PDF, a picture or a page that is announced as something unknown pretends."""
    for data in (pdf(), REAL["image/jpeg"], HTML, SVG):
        assert refused(data, announced, "*/*") == "pretends"


@pytest.mark.parametrize(
    ("data", "media_type", "reason"),
    [
        (_archive("word/document.xml", "word/vbaProject.bin"), WORD, "active_content"),
        (OLE + "_VBA_PROJECT".encode("utf-16-le"), "application/msword", "active_content"),
        (_archive("x"), "application/vnd.ms-word.document.macroEnabled.12", "active_content"),
        (_archive("word/document.xml")[:-5], WORD, "damaged"),
        (OLE, WORD, "pretends"),
        (_archive("x"), "application/msword", "pretends"),
        (_archive("x"), "audio/mpeg", "pretends"),
        (b"\xff\xfe{\0}\0", "application/json", "pretends"),
    ],
)
def test_office_documents_are_what_they_say(data: bytes, media_type: str, reason: str) -> None:
    """Macros, cut archives and one office for the other are refused."""
    assert refused(data, media_type, "*/*") == reason


@pytest.mark.parametrize(
    ("data", "media_type"),
    [
        (b"II*\0\x08\0\0\0", "image/tiff"),
        (b"\0\0\0\x18ftypheic\0\0\0\0", "image/heic"),
        (b"\0\0\0\x18ftypavif\0\0\0\0", "image/avif"),
        (b"BM" + bytes(12) + b"\x28\0\0\0", "image/bmp"),
    ],
)
def test_a_picture_that_nobody_can_strip_is_refused(data: bytes, media_type: str) -> None:
    """No picture is stored with what it tells of the place, even where a flow names its kind."""
    assert kind_of(data) == media_type
    assert refused(data, media_type, "image/*") == "unsupported"
    assert refused(data, "image/jpeg") == "pretends"


@pytest.mark.parametrize("media_type", ["text/plain", "text/csv"])
def test_text_is_text(media_type: str) -> None:
    """UTF-8 without control characters is taken, with line ends, tabs and marks as they are."""
    for data in (b"a,b\r\n1,2\r\n", "\ufeffNäme\n".encode(), b"MZ Clinic", b"x < y\tz\x0c"):
        assert kept(data, media_type).data == data


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"a\0b", "pretends"),
        (b"\x1b[2J", "pretends"),
        (b"a\x7f", "pretends"),
        (b"caf\xe9", "unsupported"),
        (b"\xc0\xaf", "unsupported"),
        ("text".encode("utf-16"), "pretends"),
    ],
)
def test_what_is_no_text_is_refused(data: bytes, reason: str) -> None:
    """Control characters and other encodings are refused."""
    assert refused(data, "text/plain") == reason


@pytest.mark.parametrize(
    "table",
    [
        *("=1+1", "a,=HYPERLINK(A1)", "a;@SUM(A1)", "a\t+cmd|' /C calc'!A0", "a\n-A1", 'a,"=A1"'),
        *("a, =A1", "\ufeff=A1", "a\n\uff1dA1", 'a,"b\n=A1"', "-2+3+cmd|' /C calc'!A0"),
    ],
)
def test_a_table_has_no_formulas(table: str) -> None:
    """They would run where somebody opens it; to quote them would change what was sent."""
    assert refused(table.encode(), "text/csv") == "active_content"
    assert kept(table.encode(), "text/plain").data == table.encode()


@pytest.mark.parametrize("cell", ["-1.5", "+41 79 123 45 67", "-1e5", "- 1'000,50", '"-3"', "a=b"])
def test_a_table_has_numbers(cell: str) -> None:
    """A sign alone makes no formula."""
    table = f"{cell},x\r\nx;{cell}\n{cell}".encode()
    assert kept(table, "text/csv").data == table


def test_a_name_has_no_spaces_nor_parameters() -> None:
    """Media types are compared by type and subtype alone (RFC 9110, 8.3.1)."""
    assert canonical(" Text/CSV ;header=present") == "text/csv"
