"""`handrail device`: enrolling one or many, codes with links, and what the list shows."""

import json
import re
from pathlib import Path

import pytest

from clients import Credential, FacilityClient, pair
from schemas.base import Role

from .conftest import Handrail

URL = ("--url", "https://box.example")


def _url(data: Path) -> str:
    url: str = json.loads((data / "box.json").read_text())["mqtt"]
    return url


@pytest.fixture
def cli(data: Path, handrail: Handrail) -> Handrail:
    """Run `handrail device` on the running box."""
    return lambda command, *more: handrail("device", command, "--data", data, *more)


def enrolled(cli: Handrail, name: str, *more: str) -> str:
    """Enroll a kiosk, and return its id."""
    device: str = cli("enrol", name, "--role", "patient", *more, "--json").json["device"]
    return device


def test_a_code_comes_with_a_link_and_a_qr_code(cli: Handrail, data: Path) -> None:
    """The link holds the code and leads to the page of the role."""
    ran = cli("enrol", "Tablet 1", "--role", "patient", "--code", *URL)
    (code,) = re.findall(r"^code\s+(\S+)", ran.out, re.MULTILINE)
    assert f"https://box.example/patient#code={code}" in ran.out
    assert "█" in ran.out
    desk = cli("enrol", "Desk 1", "--role", "facility", "--code", "--json", *URL).json
    assert desk["link"] == f"https://box.example/facility#code={desk['code']}"
    assert pair(_url(data), code).device == "tablet-1"


def test_the_link_is_to_the_box_where_it_is_known(cli: Handrail, data: Path) -> None:
    """Without --url: where the running box serves its pages."""
    http = json.loads((data / "box.json").read_text())["http"]
    given = cli("enrol", "Tablet 2", "--role", "patient", "--code", "--json").json
    assert given["link"].startswith(f"{http}/patient#code=")


def test_without_an_address_there_is_no_link(tmp_path: Path, handrail: Handrail) -> None:
    """A box that serves no pages does not know one; the code is shown, and what to do."""
    order = ("enrol", "K", "--role", "patient", "--code", "--data", tmp_path / "d")
    ran = handrail("device", *order)
    assert ran.code == 0
    assert "link" not in ran.out
    assert "--url" in ran.err


def test_a_new_code_for_the_same_device(cli: Handrail, data: Path) -> None:
    """`device code`: id and name stay."""
    device = enrolled(cli, "Browser reset")
    given = cli("code", device, *URL, "--json").json
    assert given["device"] == device
    assert "link" in given
    assert pair(_url(data), given["code"]).device == device


def test_a_replaced_device_has_another_secret(cli: Handrail, data: Path) -> None:
    """`device replace` prints a secret that works."""
    old = cli("enrol", "Old desk", "--role", "facility", "--json").json
    new = cli("replace", old["device"], "--json").json
    assert new["secret"] != old["secret"]
    credential = Credential(new["site"], new["device"], Role.FACILITY, new["secret"])
    with FacilityClient(_url(data), credential) as desk:
        line = _line(cli, new["device"])
        assert line["online"]
        assert line["address"] == "127.0.0.1"
        assert line["software"].startswith("handrail-sdk/")
        assert desk.online


def _line(cli: Handrail, device: str, *more: str) -> dict[str, object]:
    found: dict[str, object] = next(
        line for line in cli("list", "--json", *more).json if line["device"] == device
    )
    return found


def test_a_device_is_renamed_and_moved(cli: Handrail) -> None:
    """Both are in the list, under the same id; an empty room takes it away."""
    device = enrolled(cli, "Wrong name", "--room", "Lobby")
    assert cli("rename", device, "Right name").code == 0
    assert cli("move", device, "Room 2").code == 0
    line = _line(cli, device)
    assert (line["name"], line["room"]) == ("Right name", "Room 2")
    assert cli("move", device, "").code == 0
    assert "room" not in _line(cli, device)


def test_revoked_and_retired_devices_are_listed_with_all(cli: Handrail) -> None:
    """They are hidden otherwise, and it is said how many."""
    revoked, retired = enrolled(cli, "Lost"), enrolled(cli, "Broken")
    assert cli("revoke", revoked).code == 0
    assert cli("retire", retired).code == 0
    ran = cli("list")
    assert revoked not in ran.out
    assert retired not in ran.out
    assert "revoked; list them with --all" in ran.err
    told = cli("list", "--all").out
    assert re.search(rf"^{revoked} .* revoked", told, re.MULTILINE)
    assert re.search(rf"^{retired} .* retired", told, re.MULTILINE)
    ran = cli("code", retired)
    assert ran.code == 1
    assert "retired" in ran.err


def test_many_are_enrolled_from_a_file(cli: Handrail, data: Path, tmp_path: Path) -> None:
    """With a room or without; their secrets are printed."""
    file = tmp_path / "devices.csv"
    file.write_text("name,role,room\nEntrance 1,patient,Lobby\n\nEntrance 2,facility,\n")
    given = cli("enrol", "--csv", file, "--json").json
    assert [one["device"] for one in given] == ["entrance-1", "entrance-2"]
    assert _line(cli, "entrance-1")["room"] == "Lobby"
    credential = Credential("main", "entrance-2", Role.FACILITY, given[1]["secret"])
    with FacilityClient(_url(data), credential) as desk:
        assert desk.online


def test_a_sheet_to_print(cli: Handrail, data: Path, tmp_path: Path) -> None:
    """Names, rooms, codes and QR codes, escaped, in a file of its owner."""
    file, sheet = tmp_path / "devices.csv", tmp_path / "sheet.html"
    file.write_text('room,role,name\n"<b>2</b>",patient,"A & B"\n,facility,C\n')
    ran = cli("enrol", "--csv", file, "--sheet", sheet, *URL)
    assert ran.code == 0
    page = sheet.read_text()
    assert page.count("<svg") == 2
    assert "A &amp; B" in page
    assert "<b>2" not in page
    codes = re.findall(r"#code=([A-Z-]{9})<", page)
    assert all(code in ran.out for code in codes)
    assert pair(_url(data), codes[0]).device == "a-b"
    assert sheet.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name\nA\n", ":1: the columns must be name, role and optionally room"),
        ("name,role,colour\nA,patient,red\n", ":1: the columns must be"),
        ("name,role,name\nA,patient,B\n", ":1: the columns must be"),
        ("", ":1: the columns must be"),
        ("name,role\n", "lists no devices"),
        ("name,role\nA,patient\n,patient\n", ":3: name must not be empty"),
        ("name,role\nA,kiosk\n", ":2: role must be facility or patient"),
        ("name,role\nA\n", ":2: must have a value for each column"),
        ("name,role\nA,patient,x\n", ":2: must have a value for each column"),
        ("name,role\n" + "x" * 65 + ",patient\n", ":2: name must be at most 64 characters"),
        ("name,role\nA\x07,patient\n", ":2: name must not contain control or format characters"),
        ("name,role\nA,patient\na,patient\n", ":3: name is the same as in line 2"),
        ('name,role\n"A,patient\n', "is not CSV"),
        ("name,role\n" + "".join(f"N{n},patient\n" for n in range(201)), "at most 200 devices"),
    ],
)
def test_a_file_with_a_fault_enrolls_nobody(
    cli: Handrail, tmp_path: Path, text: str, said: str
) -> None:
    """Exit code 2, and each fault with its line."""
    file = tmp_path / "devices.csv"
    file.write_text(text)
    before = cli("list", "--json").json
    ran = cli("enrol", "--csv", file)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert cli("list", "--json").json == before


def test_a_file_with_a_name_that_is_taken_enrolls_nobody(cli: Handrail, tmp_path: Path) -> None:
    """The box refuses it, and its line is named: so a file cannot be enrolled twice by mistake."""
    file = tmp_path / "devices.csv"
    file.write_text("name,role\nFresh,patient\nTaken,patient\n")
    enrolled(cli, "Taken")
    ran = cli("enrol", "--csv", file)
    assert ran.code == 1
    assert "devices.csv:3: a device of this name is enrolled already" in ran.err
    assert "fresh" not in cli("list").out


@pytest.mark.parametrize(
    "more",
    [
        ("X", "--csv", "devices.csv"),
        ("--role", "patient", "--csv", "devices.csv"),
        ("X", "--role", "patient", "--sheet", "s.html"),
        ("--csv", "devices.csv", "--sheet", "nowhere/s.html", *URL),
        ("X", "--role", "patient", "--code", "--url", "box.example"),
        ("X", "--role", "patient", "--code", "--url", "https://box.example/#x"),
    ],
)
def test_options_that_do_not_fit_enroll_nobody(cli: Handrail, more: tuple[str, ...]) -> None:
    """Exit code 2, before anything is enrolled."""
    Path("devices.csv").write_text("name,role\nNobody at all,patient\n")
    ran = cli("enrol", *more)
    assert ran.code == 2
    assert not [x for x in cli("list", "--json").json if x["name"] in ("X", "Nobody at all")]


@pytest.mark.parametrize("columns", [60, 80])
def test_a_narrow_list_cuts_nothing(
    cli: Handrail, columns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ids and times are whole, and no line is wider than the terminal."""
    device = enrolled(cli, "A kiosk with quite a long name, near the entrance", "--room", "Lobby")
    long = enrolled(cli, "i" * 48)
    monkeypatch.setenv("COLUMNS", str(columns))
    out = cli("list", "--all").out
    assert device in out
    assert long in out
    assert max(len(line.rstrip()) for line in out.splitlines()) <= columns
    assert "…" not in out
