"""A bundle for servers that take no transactions."""

import pytest

from session_controller.export.fhir import singles, transaction, with_references
from tests.fhir.checks import references
from tests.fhir.records import filled, record_of
from tests.flow.filling import our_flow


@pytest.fixture
def bundle():
    """A bundle with everything in it."""
    return transaction(record_of(filled(our_flow("pre-registration"), 1)))


def test_each_comes_after_all_that_it_refers_to(bundle):
    """Sent in order, with the server's names put in, no request names a urn: not one is left."""
    known: dict[str, str] = {}
    sent = singles(bundle)
    assert len(sent) == len(bundle["entry"])
    for number, single in enumerate(sent):
        resource = with_references(single.resource, known)
        assert not list(references(resource))
        for attachment in resource.get("content", ()):
            assert attachment["attachment"]["url"].startswith("Binary/")
        kind = single.resource["resourceType"]
        known[single.full_url] = single.url if single.method == "PUT" else f"{kind}/{number}"


def test_identifiers_stay_what_they_are(bundle):
    """An identifier is our name for ever, though it reads like a reference."""
    (patient,) = (one for one in singles(bundle) if one.url == "Patient")
    known = {patient.full_url: "Patient/1"}
    assert with_references(patient.resource, known) == patient.resource
    (identifier,) = (
        one for one in patient.resource["identifier"] if one.get("system") == "urn:ietf:rfc:3986"
    )
    assert patient.if_none_exist == f"identifier=urn:ietf:rfc:3986|{identifier['value']}"


def test_no_identifier_reads_like_a_full_url(bundle):
    """A server that replaces the bundle's names wherever they stand leaves identifiers alone."""
    names = {entry["fullUrl"] for entry in bundle["entry"]}
    for entry in bundle["entry"]:
        found = entry["resource"].get("identifier") or []
        for identifier in found if isinstance(found, list) else [found]:
            assert identifier["value"] not in names


def test_requests_are_as_the_bundle_has_them(bundle):
    """Method, url and condition of each entry are kept."""
    asked = {entry["fullUrl"]: entry["request"] for entry in bundle["entry"]}
    for single in singles(bundle):
        request = asked[single.full_url]
        assert (single.method, single.url) == (request["method"], request["url"])
        assert single.if_none_exist == request.get("ifNoneExist")


def test_a_circle_is_an_error(bundle):
    """Entries that refer to each other can't be sent one by one; this is said, not looped on."""
    first, second = bundle["entry"][:2]
    first["resource"]["link"] = [{"other": {"reference": second["fullUrl"]}}]
    with pytest.raises(ValueError, match="cycle"):
        singles(bundle)
