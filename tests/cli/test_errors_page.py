"""docs/reference/errors.md has each code that the program gives, and no other."""

from typing import get_args

import pytest

from broker.packets import errors
from broker.packets.codec import ReturnCode
from clients.cli import context
from schemas.wire.deliveries import Standing
from schemas.wire.rejections import RejectionCode
from session_controller.delivery.outcomes import Reason
from session_controller.media.outcome import REASONS
from session_controller.storage.deliveries import DeliveryStatus
from tests.pages import first_codes, rows

PAGE = "reference/errors.md"
EXIT_CODES = (
    context.DONE,
    context.FAILED,
    context.USAGE,
    context.UNAVAILABLE,
    context.UNUSABLE,
    context.INTERRUPTED,
)


@pytest.mark.parametrize(
    ("heading", "known"),
    [
        ("## Refused documents", REASONS),
        ("### Status", DeliveryStatus),
        ("### Status", get_args(Standing)),
        ("### Reasons", [*Reason, "refused"]),
        ("### Return codes of CONNACK", ReturnCode),
        ("### Why a connection ended", errors.Reason),
        ("## Exit codes", EXIT_CODES),
    ],
    ids=[
        "documents",
        "deliveries",
        "deliveries-on-the-wire",
        "reasons",
        "connack",
        "endings",
        "exit-codes",
    ],
)
def test_each_code_has_one_row(heading: str, known: object) -> None:
    """A code that is added, renamed or removed is so on the page too."""
    assert sorted(first_codes(PAGE, heading)) == sorted(str(one) for one in [*known])


def test_each_rejection_code_has_one_row() -> None:
    """In the order of the code; the overview of where rejections are sent comes before."""
    told = [row for row in rows(PAGE, "## Rejection codes") if len(row) == 5]
    assert [row[0].strip("`") for row in told] == [*RejectionCode]
    assert all(row[1] and row[2] and row[4] for row in told)
