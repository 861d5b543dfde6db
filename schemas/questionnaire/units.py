"""Quantities in different units, compared by UCUM (ucum.org).

    converted(number, unit, other) -> the number in the other unit, or None if they do not compare

The units are known by `ucumvert` and `pint`, which only quantities in different units load.
"""

from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

from schemas.questionnaire.model import Json

_CACHED = 1_024


def comparable(quantity: Mapping[str, Json], other: Mapping[str, Json]) -> float | None:
    """Return the value of a quantity in the unit of another, or None if they do not compare.

    Units of the same code or name are the same. A quantity without a unit has that of the other.
    """
    number = quantity.get("value")
    if not isinstance(number, int | float) or isinstance(number, bool):
        return None
    mine, others = (
        (quantity.get("code"), quantity.get("unit")),
        (other.get("code"), other.get("unit")),
    )
    if not any(mine) or not any(others):
        return number
    if _same(mine, others):
        return number
    return converted(number, mine[0] or mine[1], others[0] or others[1])


def _same(mine: tuple[Json, Json], others: tuple[Json, Json]) -> bool:
    """Compare units by code, else by name."""
    for one, other in zip(mine, others, strict=True):
        if one and other:
            return bool(one == other)
    return any(one and one in others for one in mine)


@lru_cache(_CACHED)
def converted(number: float, unit: str, other: str) -> float | None:
    """Convert between UCUM codes; None if either is none, or they measure different things."""
    mine, others = _unit(unit), _unit(other)
    if mine is None or others is None:
        return None
    try:
        found = _registry().Quantity(number, mine).to(others)
    except Exception:  # noqa: BLE001 - pint has errors of many kinds for units that do not fit
        return None
    # 90 kg are 198.416… lb: fewer digits than binary fractions have, so that bounds are met.
    return float(f"{float(found.magnitude):.12g}")


@lru_cache(_CACHED)
def _unit(code: str) -> Any:
    if code.startswith("{"):
        return None
    try:
        return _registry().from_ucum(code).units
    except Exception:  # noqa: BLE001 - the parser has errors of many kinds for what is no unit
        return None


@cache
def _registry() -> Any:
    from ucumvert import PintUcumRegistry  # noqa: PLC0415 - takes 0.4 s

    return PintUcumRegistry()
