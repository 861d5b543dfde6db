"""Persons at a front-desk screen: what it is sent and refused until somebody signs in."""

import json

import pytest

from .forms import VISIT
from .raw import ROOT, Json, Pair, Room

PIN, WRONG = "271828", "314159"
VALUE = "Zorblatt"


@pytest.fixture
def pair(clinic: Room) -> Pair:
    """A session with a value, at a site with a person."""
    made = Pair(clinic, VISIT)
    made.fill("ENTER_FIELD", field_id="name", value=VALUE)
    person = {"name": "Ana Roe", "roles": ["front-desk"], "pin": PIN}
    added = clinic.admin.ask("ADD_PERSON", "PERSON_CHANGED", **person)
    assert (added["person"], "pin" in added) == ("ana-roe", False)
    return made


def signed_out(pair: Pair) -> Json:
    """Wait for the view of a screen where nobody is signed in."""
    return pair.staff.view(pair.session, lambda v: v.get("signed_out"))


def lobby(pair: Pair, since: int, *, empty: bool) -> Json:
    """Wait for a lobby with or without sessions."""
    topic = f"{ROOT}/devices/{pair.staff.device}/lobby"
    found: Json = pair.staff.wait(
        lambda m: m.topic == topic and (m.json["sessions"] == []) is empty, since
    ).json
    return found


def test_a_signed_out_desk_is_sent_nothing_of_a_patient(pair: Pair) -> None:
    """On none of its topics; the patient enters on."""
    assert VALUE not in json.dumps(signed_out(pair))
    assert lobby(pair, 0, empty=True)["desk"]["signed_in"] is None
    assert pair.fill("ENTER_FIELD", field_id="name", value=f"{VALUE} II")
    since = pair.staff.mark()
    pair.staff.ask("SYNC", "SYNCED", session=pair.session)
    for view in pair.staff.views(pair.session, since):
        assert VALUE not in json.dumps(view)


def test_a_signed_out_desk_is_refused_and_its_numbers_count(pair: Pair) -> None:
    """`sign_in_required`, in the sequence; after the sign-in, the next number is the next."""
    signed_out(pair)
    pair.lead_in_vain("PAUSE", "sign_in_required")
    pair.staff.ask_in_vain("SHOW_SESSION", "sign_in_required", session=pair.session)
    answer = pair.staff.ask("SIGN_IN", "SIGNED_IN", person="ana-roe", pin=PIN)
    assert answer["signed_in"] == {
        "person": "ana-roe",
        "name": "Ana Roe",
        "roles": ["front-desk"],
    }
    view = pair.staff.view(pair.session, lambda v: not v.get("signed_out"))
    assert view["fields"]["name"]["value"] == VALUE
    pair.lead("PAUSE")
    since = pair.staff.mark()
    pair.staff.ask("SIGN_OUT", "SIGNED_OUT")
    assert lobby(pair, since, empty=True)["desk"]["signed_in"] is None
    assert VALUE not in json.dumps(signed_out(pair))


def test_a_wrong_pin_is_said_with_the_tries_that_are_left(pair: Pair) -> None:
    """A screen that is locked says for how long; neither answer repeats the PIN."""
    for left in (4, 3, 2, 1, 0):
        found = pair.staff.ask_in_vain("SIGN_IN", "pin_refused", person="ana-roe", pin=WRONG)
        assert found["details"]["tries_left"] == left
        assert WRONG not in json.dumps(found)
    found = pair.staff.ask_in_vain("SIGN_IN", "pin_refused", person="ana-roe", pin=PIN)
    assert 0 < found["details"]["wait_s"] <= 60
    pair.room.admin.ask("UNLOCK_PERSON", "PERSON_CHANGED", person="ana-roe")
    other = pair.room.enrol("facility", "Other")
    other.ask("SIGN_IN", "SIGNED_IN", person="ana-roe", pin=PIN)


def test_names_only_are_shown_to_choose_from(pair: Pair) -> None:
    """No roles, no locks; and a patient screen is told nothing."""
    shown = pair.staff.ask("SHOW_DESK", "DESK_SHOWN")
    assert shown["persons"] == [{"person": "ana-roe", "name": "Ana Roe"}]
    pair.patient.ask_in_vain("SHOW_DESK", "not_allowed_for_role")
    pair.patient.ask_in_vain("SIGN_IN", "not_allowed_for_role", person="ana-roe", pin=PIN)
    pair.staff.ask_in_vain("LIST_STAFF", "not_allowed_for_role")


def test_without_a_provider_there_is_the_pin_only(pair: Pair) -> None:
    """The desk has no `provider`; a page that asks for one is told so, and so is facility IT."""
    assert "provider" not in pair.staff.ask("SHOW_DESK", "DESK_SHOWN")
    pair.staff.ask_in_vain("BEGIN_SIGN_IN", "unavailable", page="https://clinic.local/facility")
    pair.staff.ask_in_vain("FINISH_SIGN_IN", "unavailable", state="s", code="c")
    pair.staff.ask_in_vain("FINISH_SIGN_IN", "malformed", state="s", code="c", error="e")
    pair.room.admin.ask_in_vain("LINK_PERSON", "unavailable", person="ana-roe", account="x")
