"""docs/reference/sdk-api.md is made of the SDK's own signatures and docstrings."""

import inspect

import clients
from clients.sdk.client import Client
from clients.sdk.reference_page import reference_page
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "reference/sdk-api.md").read_text(encoding="utf-8")


def test_the_page_is_as_the_sdk_is() -> None:
    """`./run sdk` writes it again."""
    assert reference_page() == PAGE, "run `./run sdk`"


def test_every_public_name_is_on_the_page() -> None:
    """A class or function has a heading, an error a row."""
    for name in clients.__all__:
        assert f"### `{name}`\n" in PAGE or f"| `{name}` |" in PAGE, name


def test_every_method_of_a_client_says_what_it_does() -> None:
    """No method on the page is without a docstring, and each has one of a few sentences."""
    for kind in (clients.AdminClient, clients.FacilityClient, clients.PatientClient, Client):
        for name, member in inspect.getmembers(kind):
            if not name.startswith("_"):
                assert inspect.getdoc(member), f"{kind.__name__}.{name}"
