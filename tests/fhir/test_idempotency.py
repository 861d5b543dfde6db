"""Sent to a server: whole or one by one, once or several times, it is there once."""

import pytest

from session_controller.export.fhir import singles, transaction, with_references
from tests.fhir.memory_server import MemoryServer, has_urns
from tests.fhir.records import filled, record_of
from tests.flow.filling import our_flow


@pytest.fixture(scope="module")
def bundle():
    """A bundle with everything in it."""
    return transaction(record_of(filled(our_flow("pre-registration"), 1)))


def _send(server: MemoryServer, bundle: dict, at_most: int | None = None) -> None:
    known: dict[str, str] = {}
    for single in singles(bundle)[:at_most]:
        resource = with_references(single.resource, known)
        known[single.full_url] = server.single(
            single.method, single.url, single.if_none_exist, resource
        )


def _kinds(server: MemoryServer) -> list[str]:
    return sorted(name.partition("/")[0] for name in server.held)


def test_a_bundle_sent_twice_changes_nothing(bundle):
    """The second transaction creates nothing, and no resource gets a second version."""
    server = MemoryServer()
    server.transaction(bundle)
    held, versions = dict(server.held), dict(server.versions)
    assert len(held) == len(bundle["entry"])
    assert not has_urns(server)
    server.transaction(bundle)
    assert server.held == held
    assert server.versions == versions


def test_one_by_one_gives_the_same_as_whole(bundle):
    """Without transactions the same resources are there, referring to each other."""
    whole, single = MemoryServer(), MemoryServer()
    whole.transaction(bundle)
    _send(single, bundle)
    assert _kinds(single) == _kinds(whole)
    assert not has_urns(single)


def test_broken_off_anywhere_and_sent_again_it_is_there_once(bundle):
    """However many requests came through before it broke off, the next try completes it."""
    whole = MemoryServer()
    whole.transaction(bundle)
    for number in range(len(bundle["entry"])):
        server = MemoryServer()
        _send(server, bundle, number)
        _send(server, bundle)
        assert _kinds(server) == _kinds(whole)
        assert set(server.versions.values()) == {1}


def test_whole_after_one_by_one_changes_nothing(bundle):
    """A server that learns to take transactions meanwhile doubles nothing either."""
    server = MemoryServer()
    _send(server, bundle)
    held = dict(server.held)
    server.transaction(bundle)
    assert server.held == held
