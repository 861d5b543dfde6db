"""The printed record: what a person typed is text in it; the PDF is accessible and steady."""

import io
import subprocess
import sys
from dataclasses import replace

import pypdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from session_controller.export.printing import (
    TypesettingError,
    apart,
    render,
    render_apart,
    rendering,
)
from session_controller.export.printing.drawing import MAX_POINTS, drawn
from session_controller.export.printing.legible import legible
from session_controller.export.printing.memory_folder import folder_of
from session_controller.export.printing.photographs import for_paper
from session_controller.export.printing.typesetting import (
    MissingGlyphsError,
    _fonts,
    typeset,
    unshowable,
    viewed,
)
from tests.flow.filling import flow_of, our_flow
from tests.printing import pictures
from tests.printing.making import document, filled_record, record_of

QUESTION = {"linkId": "q", "type": "text", "text": "The question"}


def text_of(pdf: bytes) -> str:
    """Read the text of a PDF, without the breaks that long words may have."""
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    return "\n".join(page.extract_text() for page in reader.pages).replace("\u200b", "")


def printed(value: str) -> str:
    """Print a record with one answer and read it."""
    return text_of(render(record_of(flow_of(QUESTION), {"q": value})))


# -- what was typed is text -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "value",
    [
        '#read("/etc/passwd")',
        '#image("/etc/hostname")',
        "#panic()",
        "\\ #[x] *bold* _it_ `raw` $x^2$ <label> @ref",
        "\\u{41}\\n",
        "= heading",
        '"; } #import "@preview/x:1.0.0"',
        "// comment /* and */ more",
        "https://example.org",
        "{page} {n} {total}",
        '{"a": 1}',
    ],
)
def test_markup_is_shown_and_not_obeyed(value):
    """What looks like markup or code stands on the paper as it was typed."""
    assert value in printed(value)


def test_every_text_of_a_record_is_as_harmless():
    """Labels, names, reasons and devices are text as well."""
    example = filled_record(our_flow("quick-check-in"))
    trick = '#read("/etc/passwd")'
    (evidence,) = example.signatures
    record = replace(
        example,
        site=trick,
        software=trick,
        exported_by=trick,
        state=example.state.but(label=trick),
        signatures=(
            replace(
                evidence,
                printed_name=trick,
                staff_name=trick,
                reason=trick,
                meaning=trick,
                text=trick,
                relationship=trick,
                language=trick,
                flow_version=trick,
            ),
        ),
    )
    text = text_of(render(record))
    assert text.count(trick) >= 10
    assert "root:" not in text


def test_the_typesetter_reaches_no_file_but_those_it_is_given(tmp_path, monkeypatch):
    """Neither the working directory nor the machine is there for the typesetter."""
    (tmp_path / "secret.txt").write_text("secret")
    monkeypatch.chdir(tmp_path)
    for path in ("secret.txt", "/secret.txt", str(tmp_path / "secret.txt"), "../secret.txt"):
        source = f'#set document(title: "t")\n#read("{path}")'
        with pytest.raises(TypesettingError):
            typeset({"main.typ": source.encode()}, 0)


def test_the_typesetters_folder_is_empty_when_it_is_done():
    """What documents hold lies in a folder of its own, and is gone with it."""
    with folder_of({"a.png": b"data"}) as folder:
        assert (folder / "a.png").read_bytes() == b"data"
    assert not folder.exists()


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\0b", "a[U+0000]b"),
        ("byte \ufeffmark", "byte [U+FEFF]mark"),
        ("bell\x07", "bell[U+0007]"),
        ("lone \ud800 half", "lone [U+D800] half"),
        ("\u202eover\u202c", "[U+202E]over"),
        ("\uffff", "[U+FFFF]"),
        ("\ue123\U0010fffd", "[U+10FFFD]"),
    ],
)
def test_what_cannot_be_shown_is_named(value, shown):
    """Controls, overrides of direction, halves of characters and unknown ones have their number."""
    text = printed(value)
    assert shown in text
    assert "as its Unicode number" in text


@pytest.mark.parametrize("character", "אжΩ")
def test_scripts_of_our_fonts_are_shown(character):
    """Greek, Cyrillic and Hebrew are on the paper as they were typed."""
    assert character * 3 in printed(character * 3)


@pytest.mark.parametrize("character", "ก你안😀")
def test_scripts_without_a_font_of_ours_are_named(character):
    """A character that our fonts lack is its number, whatever fonts the machine has."""
    assert f"[U+{ord(character):04X}]" * 3 in printed(character * 3)


def test_the_fonts_of_the_machine_are_not_used(monkeypatch, tmp_path):
    """A record is set in the typesetter's own fonts and in those of `HANDRAIL_FONTS` alone."""
    ours = ["DejaVu Sans Mono", "Libertinus Serif", "New Computer Modern"]
    ours.append("New Computer Modern Math")
    monkeypatch.delenv("HANDRAIL_FONTS", raising=False)
    assert _fonts.__wrapped__().families() == ours
    (tmp_path / "added.ttf").write_bytes(pictures.font())
    monkeypatch.setenv("HANDRAIL_FONTS", str(tmp_path))
    assert _fonts.__wrapped__().families() == ["Aileron", *ours]


def test_a_character_that_the_standard_does_not_allow_is_as_one_without_a_glyph():
    """The typesetter words it differently, as for U+0000 where a font has a glyph."""
    source = '#set document(title: "t")\n#"a\\u{feff}b"'
    with pytest.raises(MissingGlyphsError) as found:
        typeset({"main.typ": source.encode()}, 0)
    assert found.value.lines == {2}


def test_a_character_that_was_overlooked_costs_the_standard_and_not_the_record(monkeypatch):
    """Where a glyph is missing all the same, there is a PDF that does not declare PDF/UA."""
    monkeypatch.setattr(rendering, "unshowable", lambda _: frozenset())
    pdf = render(record_of(flow_of(QUESTION), {"q": "\U0010fffd"}))
    root = pypdf.PdfReader(io.BytesIO(pdf)).trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert b"pdfuaid" not in root["/Metadata"].get_data()


def test_named_characters_are_asked_for_at_once():
    """The fonts are asked for many characters together, and those that are there are not named."""
    chinese = set(map(chr, range(0x4E00, 0x4F00)))
    missing = unshowable(chinese | {"a", "ж", "\0", "\x01", "\ufeff"})
    assert chinese | {"\0", "\x01", "\ufeff"} <= missing
    assert not {"a", "ж"} & missing


def test_long_words_can_be_broken_between_characters_only():
    """A long word may be broken, but not between a letter and its mark, or in an emoji."""
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    shown, named = legible(["e\u0301" * 40 + family * 20, "short"], lambda _: frozenset())
    assert not named
    assert shown[0].replace("\u200b", "") == "e\u0301" * 40 + family * 20
    assert "\u200b\u0301" not in shown[0]
    assert "\u200b\u200d" not in shown[0]
    assert shown[1] == "short"


@pytest.mark.parametrize("value", ["x" * 100_000, "word " * 20_000, "你好" * 8_000, "\n" * 400])
def test_long_texts_are_printed_whole(value):
    """A hundred thousand characters, broken or not, are all there and leave no margin."""
    pdf = render(record_of(flow_of(QUESTION), {"q": value}))
    text = "".join(text_of(pdf).split())
    if value[0] == "x":
        assert text.count("x") >= 100_000
    if value.startswith("word"):
        assert text.count("word") == 20_000


@given(st.text(max_size=60) | st.text(alphabet="#[]{}()*_$`\\\"'<>@=/-+~", max_size=40))
@settings(max_examples=40, deadline=None)
def test_any_text_can_be_printed(value):
    """Whatever Unicode a person sends, the record is printed."""
    assert render(record_of(flow_of(QUESTION), {"q": value})).startswith(b"%PDF-")


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(), st.lists, max_leaves=4))
@settings(max_examples=20, deadline=None)
def test_any_value_can_be_printed(value):
    """An answer of another kind than its question does not keep the record from being printed."""
    flow = flow_of(
        *({"linkId": one, "type": one} for one in ("date", "decimal", "choice", "quantity"))
    )
    assert render(record_of(flow, dict.fromkeys(flow.items, value))).startswith(b"%PDF-")


# -- documents ------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["png", "jpg", "gif", "webp", "pdf", "svg", "other"])
@pytest.mark.parametrize("data", [b"", b"%PDF-1.4 none", b"\x89PNG\r\n\x1a\n", b"<svg/>"])
def test_broken_documents_are_not_shown(data, ending):
    """A file that cannot be decoded gives no picture, and no error."""
    assert viewed(data, ending) == ()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_large_photograph_is_made_smaller(kind):
    """A photograph is printed as finely as paper shows it; its hash is that of the whole."""
    made = io.BytesIO()
    Image.effect_noise((2_400, 3_200), 60).convert("RGB").save(made, kind)
    shown, ending = for_paper(made.getvalue())
    assert ending == "jpg"
    assert len(shown) < len(made.getvalue())
    assert Image.open(io.BytesIO(shown)).size == (1_350, 1_800)
    record = record_of(flow_of({"linkId": "d", "type": "attachment"}))
    photo = document("d", made.getvalue(), f"image/{kind.lower()}")
    pdf = render(replace(record, documents=(photo,)))
    pages = pypdf.PdfReader(io.BytesIO(pdf)).pages
    (picture,) = (one for page in pages for one in page.images)
    assert picture.image.size == (1_350, 1_800)
    assert photo.sha256 in text_of(pdf)


def test_a_small_picture_is_printed_as_it_is():
    """What is small enough, or no picture, is not touched."""
    card = pictures.card("Card")
    assert for_paper(card) == (card, "")
    assert for_paper(b"no picture") == (b"no picture", "")


def test_a_pdf_loses_what_is_active_in_it():
    """Of a PDF only pictures of its pages come into the record."""
    pages = viewed(pictures.letter(), "pdf")
    assert len(pages) == 2
    assert all(page.startswith(b"\x89PNG") for page in pages)


def test_a_signature_of_many_points_is_thinned():
    """A drawing stays small however many points a screen sent; its ends are kept."""
    stroke = tuple((i / 50_000, 0.5, float(i)) for i in range(50_001))
    svg = drawn((stroke, ((0.5, 0.5, 0.0),), ((0.1, 0.1, 0.0), (0.2, 0.2, 1.0))))
    assert svg.count(b"Q") <= MAX_POINTS
    assert b"L600.00 100.00" in svg


# -- the PDF --------------------------------------------------------------------------------------


def test_the_pdf_is_accessible():
    """It is tagged, says its language and title, and declares PDF/UA-1."""
    pdf = render(filled_record(our_flow("pre-registration"), language="es"))
    reader = pypdf.PdfReader(io.BytesIO(pdf))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert "/StructTreeRoot" in root
    assert root["/Lang"] == "es"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata is not None
    assert reader.metadata.title == "Registro previo del paciente"
    assert b"pdfuaid" in root["/Metadata"].get_data()


def test_the_parts_of_the_pdf_are_tagged_as_what_they_are():
    """Headings, tables with their heads, and figures with words for them are in the structure."""
    record = filled_record(our_flow("pre-registration"))
    documents = tuple(
        document(one.field_id, pictures.card("Card"), "image/png") for one in record.documents
    )
    reader = pypdf.PdfReader(io.BytesIO(render(replace(record, documents=documents))))
    tags, figures = [], []
    _walk(reader.trailer["/Root"]["/StructTreeRoot"], tags, figures)
    assert {"/H1", "/H2", "/Table", "/TH", "/TD", "/P", "/Figure", "/Link"} <= set(tags)
    assert figures
    assert all(figures)


def _walk(node, tags, figures):
    node = node.get_object() if hasattr(node, "get_object") else node
    if isinstance(node, list):
        for one in node:
            _walk(one, tags, figures)
    elif isinstance(node, dict):
        tags.append(node.get("/S"))
        if node.get("/S") == "/Figure":
            figures.append(node.get("/Alt"))
        if "/K" in node:
            _walk(node["/K"], tags, figures)


def test_the_outline_names_each_part_once():
    """The bookmarks are the parts and steps, also where a step goes on on another page."""
    flow = flow_of(
        {"linkId": "s", "type": "group", "text": "A step", "item": [QUESTION]}, title="Form"
    )
    reader = pypdf.PdfReader(io.BytesIO(render(record_of(flow, {"q": "line\n" * 200}))))
    names = []
    for one in reader.outline:
        names += [sub["/Title"] for sub in one] if isinstance(one, list) else [one["/Title"]]
    assert names.count("A step") == 1
    assert "Evidence" in names


def test_the_same_record_gives_the_same_bytes():
    """Printing has no clock and no chance in it, not even from one process to the next."""
    record = filled_record(our_flow("pre-registration"))
    first = render(record)
    assert render(record) == first
    assert render_apart(record) == first


def test_paper_may_be_a4():
    """A clinic outside the Americas prints on its own paper."""
    page = pypdf.PdfReader(io.BytesIO(render(record_of(flow_of(QUESTION)), paper="a4"))).pages[0]
    assert (round(page.mediabox.width), round(page.mediabox.height)) == (595, 842)


# -- in a process of its own ----------------------------------------------------------------------


def test_a_process_that_fails_is_an_error_without_its_content():
    """What goes wrong apart is an exception that says nothing of the record."""
    with pytest.raises(TypesettingError, match="too long"):
        render_apart(record_of(flow_of(QUESTION), {"q": "secret"}), seconds=0.01)


def test_the_process_knows_no_secret(monkeypatch: pytest.MonkeyPatch):
    """The key of the box is not in the environment of a process that draws what people typed."""
    monkeypatch.setenv("HANDRAIL_BOX_KEY", "secret")
    show = "import os, sys; sys.stdin.read(); print('HANDRAIL_BOX_KEY' in os.environ)"
    monkeypatch.setattr(apart, "_COMMAND", (sys.executable, "-c", show))
    assert render_apart(record_of(flow_of(QUESTION))) == b"False\n"


def test_the_process_refuses_what_is_no_record():
    """Other input ends it with a code, and in silence."""
    order = [sys.executable, "-P", "-m", "session_controller.export.printing"]
    done = subprocess.run(order, input=b"no archive", capture_output=True, check=False)
    assert done.returncode == 1
    assert done.stdout == b""
    assert done.stderr == b""
