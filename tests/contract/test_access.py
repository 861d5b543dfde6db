"""Who may publish and read what: tried out, role by role."""

import json

import pytest

from .forms import VISIT
from .raw import ROOT, Device, Pair, Peer, Refused, Room, pairing_id


def own(device: Device) -> set[str]:
    """Return the prefixes of the topics that a device may receive."""
    me = device.device
    return {f"{ROOT}/controller/status", f"{ROOT}/flows/"} | {
        f"{ROOT}/devices/{me}/{kind}" for kind in ("inbox", "assignment", "lobby")
    }


def may_receive(device: Device, topic: str) -> bool:
    """Whether the contract lets a device receive a topic."""
    if any(topic.startswith(begin) for begin in own(device)):
        return True
    parts = topic.removeprefix(f"{ROOT}/sessions/").split("/")
    return parts[1] in {"state", "rejections", "documents"} and parts[2] == device.device


FORBIDDEN_FILTERS = [
    "#",
    "+/#",
    "handrail/#",
    f"{ROOT}/#",
    f"{ROOT}/+/+/+",
    f"{ROOT}/devices/+/inbox",
    f"{ROOT}/devices/+/presence",
    f"{ROOT}/devices/#",
    f"{ROOT}/sessions/#",
    f"{ROOT}/sessions/+/state/+",
    f"{ROOT}/sessions/+/+/+",
    f"{ROOT}/sessions/+/#",
    f"{ROOT}/sessions/+/commands/+",
    f"{ROOT}/sessions/+/documents/#",
    f"{ROOT}/pairing/#",
    f"{ROOT}/pairing/+/grant",
    f"{ROOT}/devices/OTHER/inbox",
    f"{ROOT}/devices/OTHER/presence",
    f"{ROOT}/devices/OTHER/assignment",
    f"{ROOT}/devices/OTHER/lobby",
    f"{ROOT}/sessions/SESSION/state/OTHER",
    f"{ROOT}/sessions/SESSION/commands/OTHER",
    f"{ROOT}/sessions/SESSION/rejections/OTHER",
    f"{ROOT}/sessions/SESSION/documents/OTHER/#",
    f"{ROOT}/sessions/SESSION/uploads/OTHER/#",
    "handrail/v1/other/controller/status",
    "handrail/v1/+/controller/status",
    "+/v1/main/controller/status",
    "$SYS/#",
    "$SYS/broker/version",
    "$share/x/" + ROOT + "/#",
]


@pytest.mark.parametrize("who", ["facility", "patient", "admin"])
def test_a_forbidden_subscription_brings_nothing(clinic: Room, who: str) -> None:
    """Whatever a device subscribes to, it receives its own topics alone, retained or not."""
    pair = Pair(clinic, VISIT)
    spy = clinic.admin if who == "admin" else clinic.enrol(who, "Spy")
    for pattern in FORBIDDEN_FILTERS:
        for other in (pair.patient.device, pair.staff.device):
            wanted = pattern.replace("OTHER", other).replace("SESSION", pair.session)
            assert spy.subscribe(wanted) == [128], wanted
    pair.enter(name="Ada")
    pair.fill_in_vain("ENTER_FIELD", "unknown_field", field_id="nothing", value=1)
    spy.request("LIST_FLOWS")  # whatever came before it has arrived now
    strange = [m.topic for m in spy.messages if not may_receive(spy, m.topic)]
    assert strange == []


def test_a_stranger_gets_nothing_but_its_grant(clinic: Room) -> None:
    """An unenrolled connection may read its own grant, and nothing else."""
    pair = Pair(clinic, VISIT)
    stranger = clinic.keep(Peer(clinic.port, pairing_id(), "pairing").connect())
    others = [
        f"{ROOT}/pairing/{pairing_id()}/grant",
        f"{ROOT}/controller/status",
        f"{ROOT}/flows/+",
        f"{ROOT}/flows/{pair.flow_ref}",
        f"{ROOT}/devices/pairing/inbox",
        f"{ROOT}/sessions/+/state/pairing",
        *FORBIDDEN_FILTERS,
    ]
    for wanted in others:
        assert stranger.subscribe(wanted) == [128], wanted
    assert stranger.subscribe(f"{ROOT}/pairing/{stranger.client_id}/grant")[0] in {0, 1}
    stranger.publish(f"{ROOT}/pairing/{stranger.client_id}/claim", {"v": 1, "code": "BCDF-GHJK"})
    stranger.wait(lambda m: m.topic.endswith("/grant"))
    assert {m.topic for m in stranger.messages} == {f"{ROOT}/pairing/{stranger.client_id}/grant"}


@pytest.mark.parametrize("who", ["facility", "patient"])
def test_what_a_device_may_read_can_be_subscribed(clinic: Room, who: str) -> None:
    """Every filter of the contract's table, and every narrower one, is granted."""
    device = clinic.enrol(who, "Screen")
    me = device.device
    for wanted in [
        f"{ROOT}/controller/status",
        f"{ROOT}/flows/+",
        f"{ROOT}/flows/visit-0123456789ab",
        f"{ROOT}/devices/{me}/inbox",
        f"{ROOT}/devices/{me}/assignment",
        f"{ROOT}/devices/{me}/lobby",
        f"{ROOT}/sessions/+/state/{me}",
        f"{ROOT}/sessions/some-session/state/{me}",
        f"{ROOT}/sessions/+/rejections/{me}",
        f"{ROOT}/sessions/some-session/rejections/{me}",
        f"{ROOT}/sessions/+/documents/{me}/#",
        f"{ROOT}/sessions/some-session/documents/{me}/#",
        f"{ROOT}/sessions/some-session/documents/{me}/upload/+",
        f"{ROOT}/sessions/some-session/documents/{me}/upload/0",
    ]:
        assert device.subscribe(wanted)[0] in {0, 1}, wanted


def forbidden_topics(me: str, pair: Pair) -> list[str]:
    """Return topics that a device may not write."""
    session, staff, patient = pair.session, pair.staff.device, pair.patient.device
    other = patient if me != patient else staff
    return [
        f"{ROOT}/controller/status",
        f"{ROOT}/flows/{pair.flow_ref}",
        f"{ROOT}/flows/forged-0123456789ab",
        f"{ROOT}/devices/{other}/presence",
        f"{ROOT}/devices/{other}/requests",
        f"{ROOT}/devices/{other}/inbox",
        f"{ROOT}/devices/{me}/inbox",
        f"{ROOT}/devices/{me}/assignment",
        f"{ROOT}/devices/{me}/lobby",
        f"{ROOT}/sessions/{session}/state/{other}",
        f"{ROOT}/sessions/{session}/state/{me}",
        f"{ROOT}/sessions/{session}/commands/{other}",
        f"{ROOT}/sessions/{session}/rejections/{other}",
        f"{ROOT}/sessions/{session}/uploads/{other}/u/0",
        f"{ROOT}/sessions/{session}/documents/{other}/u/0",
        f"{ROOT}/pairing/{pairing_id()}/claim",
        f"{ROOT}/pairing/{pairing_id()}/grant",
        "handrail/v1/other/controller/status",
        f"handrail/v1/other/devices/{me}/presence",
        "$SYS/broker/version",
        "anything/else",
        "/",
    ]


@pytest.mark.parametrize("who", ["facility", "patient", "admin"])
def test_a_forbidden_publication_reaches_nobody(clinic: Room, who: str) -> None:
    """What a device may not write changes nothing, and no other device receives it."""
    pair = Pair(clinic, VISIT)
    name = clinic.admins["admin-2"]
    forger = clinic.device("admin-2", name) if who == "admin" else clinic.enrol(who, "Forger")
    marks = {id(d): d.mark() for d in (pair.staff, pair.patient)}
    for topic in forbidden_topics(forger.device, pair):
        if not forger.connected:
            forger.online()
        forger.deliver(
            topic, json.dumps({"v": 1, "online": False, "forged": "F0RGED"}), retain=True
        )
    fresh = clinic.device("admin-3", clinic.admins["admin-3"])
    fresh.subscribe(f"{ROOT}/flows/+")
    fresh.request("LIST_FLOWS")
    for device in (pair.staff, pair.patient):
        device.sync(pair.session)
        seen = device.messages[marks[id(device)] :]
        assert not [m.topic for m in seen if b"F0RGED" in m.payload]
    assert not [m.topic for m in fresh.messages if b"F0RGED" in m.payload]
    assert pair.staff.newest(pair.session) == pair.staff.views(pair.session)[-1]


def test_a_stranger_may_write_its_claim_alone(clinic: Room) -> None:
    """An unenrolled connection can publish nothing but its own claim."""
    pair = Pair(clinic, VISIT)
    marks = {id(d): d.mark() for d in (pair.staff, pair.patient)}
    me = pairing_id()
    stranger = clinic.keep(Peer(clinic.port, me, "pairing"))
    for topic in [*forbidden_topics("pairing", pair), f"{ROOT}/pairing/{me}/grant"]:
        if not stranger.connected:
            stranger.connect()
        stranger.deliver(topic, b'{"forged": "F0RGED"}', retain=True)
    for device in (pair.staff, pair.patient):
        device.sync(pair.session)
        seen = device.messages[marks[id(device)] :]
        assert not [m.topic for m in seen if b"F0RGED" in m.payload]


def test_a_forbidden_will_is_refused_at_connect(clinic: Room) -> None:
    """A CONNECT whose will the rules forbid is refused; the same without it is accepted."""
    pair = Pair(clinic, VISIT)
    answer = clinic.admin.ask(
        "ENROL_DEVICE", "DEVICE_ENROLLED", name="Forger", role="patient", by="secret"
    )
    me, secret = answer["device"], answer["secret"]
    for topic in forbidden_topics(me, pair):
        with pytest.raises(Refused):
            Peer(clinic.port, me, me, secret).connect(will=(topic, b"{}", True))
    stranger = pairing_id()
    with pytest.raises(Refused):
        Peer(clinic.port, stranger, "pairing").connect(
            will=(f"{ROOT}/controller/status", b"{}", True)
        )
    clinic.device(me, secret)


def test_a_new_connection_receives_nothing_that_it_did_not_subscribe_to(clinic: Room) -> None:
    """Nothing retained leaks: who subscribes to nothing receives nothing."""
    pair = Pair(clinic, VISIT)
    pair.enter(name="Ada")
    quiet = clinic.admin.ask(
        "ENROL_DEVICE", "DEVICE_ENROLLED", name="Quiet", role="patient", by="secret"
    )
    peer = clinic.keep(
        Peer(clinic.port, quiet["device"], quiet["device"], quiet["secret"]).connect()
    )
    stranger = clinic.keep(Peer(clinic.port, pairing_id(), "pairing").connect())
    for found in (peer, stranger):
        found.subscribe(f"{ROOT}/nothing")  # a round trip: what the broker would send is here
        assert found.messages == []


def test_an_enrolled_device_reads_no_grant(clinic: Room) -> None:
    """A pairing topic belongs to the unenrolled connection of that client id."""
    device = clinic.enrol("patient", "Kiosk")
    assert device.subscribe(f"{ROOT}/pairing/{device.device}/grant") == [128]
