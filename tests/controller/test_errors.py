"""What a log says of an unexpected exception."""

import pytest

import broker.monitoring.logs
import clients.sdk.errors
import session_controller.errors


def _raised() -> ValueError:
    try:
        int("Okafor")
    except ValueError as error:
        return error
    raise AssertionError


@pytest.mark.parametrize(
    "name_of",
    [
        session_controller.errors.type_and_place,
        clients.sdk.errors.type_and_place,
        broker.monitoring.logs.traceback_location,
    ],
)
def test_an_exception_is_named_by_type_and_place(name_of):
    """Never by its text, which may quote what a patient entered."""
    said = name_of(_raised())
    assert "ValueError" in said
    assert f"test_errors.py:{_raised.__code__.co_firstlineno + 2}" in said
    assert "Okafor" not in said
    assert "ValueError" in name_of(ValueError("Okafor"))
