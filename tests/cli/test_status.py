"""`handrail status`: one screen for facility IT."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from clients.cli.status import TO_DO, _print
from schemas.wire.levels import Level
from schemas.wire.status import StatusShown

from .conftest import Handrail

WIDTH = 80
NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)


def test_a_running_box_says_how_it_is_doing(
    data: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On one screen of 80 columns, with each limit that has a level."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    ran = handrail("status", "--data", data)
    assert ran.code == 0
    lines = ran.out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert len(lines) <= 32
    said = {line.split()[0]: line for line in lines if line.strip()}
    assert "running, Handrail" in said["box"]
    assert "mqtt://127.0.0.1:" in said["addresses"]
    assert "0 open" in said["sessions"]
    assert said["max_open_sessions"].split()[1:] == ["0", "2,000", "0", "0"]
    assert said["broker.connections"].split()[1:] == ["1", "10,000", "0", "0"]
    limits = handrail("status", "--data", data, "--json").json["limits"]
    [disk] = [one for one in limits if one["limit"] == "disk_bytes"]
    if disk["level"] < 0.8 * disk["most"]:  # the machine's is not the test's
        assert ran.out.splitlines()[-1].rstrip() == "✓ nothing to do"


def test_its_json_has_stable_names(data: Path, handrail: Handrail) -> None:
    """And limits that are only counted, too; each that has a level has something to do."""
    shown = handrail("status", "--data", data, "--json").json
    assert list(shown) == [
        *("site", "version", "epoch", "at", "started_at", "addresses", "disk_error"),
        *("screens", "sessions", "deliveries", "backups", "disk", "limits", "findings"),
    ]
    levels = {one["limit"]: one["level"] for one in shown["limits"]}
    assert levels["document_bytes"] is None
    assert {name for name, level in levels.items() if level is not None} == TO_DO.keys()


def test_without_a_box_it_says_what_to_do(tmp_path: Path, handrail: Handrail) -> None:
    """No folder, or no box on it: exit code 3, and no box is started for it."""
    for data in (tmp_path / "nothing", tmp_path):
        ran = handrail("status", "--data", data)
        assert ran.code == 3
        assert ran.out == ""
        assert f"no box runs on {data}; start one with `handrail serve" in ran.err
    assert list(tmp_path.iterdir()) == []


def limit(name: str, level: int, most: int, refused: int = 0) -> dict[str, Any]:
    """Return how near a box is to a limit."""
    return {"limit": name, "level": level, "most": most, "refused": refused}


def found(level: str, text: str, mend: str | None) -> dict[str, Any]:
    """Return what a check has found."""
    return {"check": "any", "level": Level(level), "text": text, "mend": mend}


def shown(**changed: Any) -> StatusShown:
    """Return a status in which nothing is to be done, but for what is changed."""
    whole = {
        "request_id": "1",
        "site": "main",
        "version": "1.0",
        "epoch": 1,
        "at": NOW,
        "started_at": NOW - timedelta(days=3),
        "addresses": ("mqtts://192.0.2.7:8883", "https://192.0.2.7:8080"),
        "disk_error": None,
        "screens": {"enrolled": 5000, "online": 4999, "guests": 1000},
        "sessions": {"open": 1999, "waiting": 999, "active": 999, "paused": 1}
        | {"completed_today": 9999},
        "deliveries": {"waiting": 0, "oldest_waiting": None, "held": 0, "refused": 0},
        "backups": {"count": 27, "newest": NOW - timedelta(hours=5), "damaged": 0},
        "disk": {"total": 1 << 40, "free": 1 << 39, "reserve": 1 << 36, "full_in_days": 1234.5},
        "limits": (limit("max_devices", 4000, 5000),),
        "findings": (found("note", "no time server", "set one"), found("ok", "all is well", None)),
    }
    return StatusShown.model_validate(whole | changed)


def printed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, **changed: Any
) -> str:
    """Return what is printed of a status."""
    monkeypatch.setenv("COLUMNS", str(WIDTH))
    monkeypatch.setenv("NO_COLOR", "1")
    _print(shown(**changed))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= WIDTH
    return "\n".join(line.rstrip() for line in lines)


def test_a_large_clinic_fits_on_80_columns(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all is well, it says that nothing is to be done; 80 % is well."""
    said = printed(capsys, monkeypatch)
    assert "4999 online of 5000 enrolled; 1000 guests" in said
    assert "512.0 GiB free of 1.0 TiB; full in some 1,234 days" in said
    assert "27, the newest 5 h old" in said
    assert said.splitlines()[-1] == "✓ nothing to do"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            {"limits": (limit("max_devices", 4001, 5000),)},
            "! max_devices: revoke some",
        ),
        ({"disk_error": "SQLITE_FULL"}, "✗ the database does not store (SQLITE_FULL): make room"),
        (
            {"findings": (found("warning", "nothing arrives", "look there"),)},
            "! nothing arrives: look there",
        ),
        ({"findings": (found("critical", "it burns", None),)}, "✗ it burns: handrail doctor"),
    ],
)  # fmt: skip
def test_what_needs_somebody_is_marked_with_what_to_do(
    changed: dict[str, Any],
    expected: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Above 80 % of a limit, where the disk has failed, and what checks have found."""
    said = printed(capsys, monkeypatch, **changed)
    assert expected in said
    assert "nothing to do" not in said


def test_each_advice_fits(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also with all limits reached at once."""
    full = tuple(limit(name, 10, 10, 12_345) for name in TO_DO)
    said = printed(capsys, monkeypatch, limits=full)
    marked = [line for line in said.splitlines() if line.startswith("! ")]
    assert len(marked) == 2 * len(TO_DO), "once in the table, once with what to do"
