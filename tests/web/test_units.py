"""The unit tests of the pages pass, and there are some."""

from tests.web.units import run


def test_the_unit_tests_of_the_pages() -> None:
    """`npm test` passes; a run without any test is a failure."""
    assert run() > 0
