"""A CSV file of the devices to enroll together; each problem is reported with its line."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clients.cli.context import USAGE, Failure
from schemas.base import Role
from schemas.limits import limit_of
from schemas.wire.requests import MAX_ENROLLED, NewDevice

_REQUIRED, _OPTIONAL = ("name", "role"), ("room",)
_ROLES = {"facility": Role.FACILITY, "patient": Role.PATIENT}

Row = tuple[int, Mapping[Any, Any]]


def read_devices(path: Path) -> dict[int, NewDevice]:
    """Return the devices in a CSV file by line. Raises `Failure`, which lists all problems."""
    rows = list(_rows(path))
    problems: list[str] = []
    devices: dict[int, NewDevice] = {}
    for line, row in rows:
        found = _device(row)
        if isinstance(found, NewDevice):
            devices[line] = found
        else:
            problems += [f"{path}:{line}: {problem}" for problem in found]
    problems += _repeated(path, devices)
    if not rows:
        problems.append(f"{path}: lists no devices")
    if len(rows) > MAX_ENROLLED:
        problems.append(f"{path}: must list at most {MAX_ENROLLED} devices")
    if problems:
        raise Failure("no device was enrolled:\n" + "\n".join(problems), USAGE)
    return devices


def _rows(path: Path) -> Iterator[Row]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            _check_columns(path, reader.fieldnames or ())
            for row in reader:
                yield reader.line_num, row
    except UnicodeDecodeError:
        raise Failure(f"{path}: must be encoded in UTF-8", USAGE) from None
    except csv.Error as error:
        raise Failure(f"{path}: is not CSV: {error}", USAGE) from None
    except OSError as error:
        raise Failure(f"cannot read {path}: {error.strerror}", USAGE) from None


def _check_columns(path: Path, columns: Any) -> None:
    known = {*_REQUIRED, *_OPTIONAL}
    if not set(_REQUIRED) <= set(columns) <= known or len(set(columns)) < len(columns):
        raise Failure(f"{path}:1: the columns must be name, role and optionally room", USAGE)


def _device(row: Mapping[Any, Any]) -> NewDevice | list[str]:
    if None in row or row["name"] is None or row["role"] is None:
        return ["must have a value for each column"]
    role = _ROLES.get(row["role"].strip())
    problems = [] if role else ["role must be facility or patient"]
    try:
        device = NewDevice(
            name=row["name"],
            role=role or Role.PATIENT,
            room=(row.get("room") or "").strip() or None,
        )
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        return [f"{one['loc'][0]} {limit_of(one) or 'is not valid'}" for one in faults] + problems
    return problems or device


def _repeated(path: Path, devices: Mapping[int, NewDevice]) -> Iterator[str]:
    first: dict[str, int] = {}
    for line, device in devices.items():
        before = first.setdefault(device.name.casefold(), line)
        if before != line:
            yield f"{path}:{line}: name is the same as in line {before}"


def taken(path: Path, devices: Mapping[int, NewDevice], names: Any) -> str:
    """Return which lines name a device that is enrolled already."""
    lines = (line for line, device in devices.items() if device.name in names)
    told = (f"{path}:{line}: a device of this name is enrolled already" for line in lines)
    return "no device was enrolled:\n" + "\n".join(told)
