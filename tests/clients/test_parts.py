"""The small parts: addresses, back-off, credentials, views in order, pieces of documents."""

import random
import stat
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clients.sdk.address import Address
from clients.sdk.chunks import ChunkPlan
from clients.sdk.client import _built
from clients.sdk.credential import Credential
from clients.sdk.download import Assembly
from clients.sdk.errors import Closed, TimedOut
from clients.sdk.network.backoff import Backoff
from clients.sdk.network.loop import NetworkLoop
from clients.sdk.network.reconnect import ConnectionNumbers
from clients.sdk.notifications import Notifier
from clients.sdk.pending import Pending
from clients.sdk.session import SessionState, is_newer
from schemas.base import Role
from schemas.wire.commands import EnterField
from schemas.wire.rejections import RejectionCode
from schemas.wire.views import PatientView, SessionStatus
from tests.clients.test_outbox import command
from tests.schemas.samples import patient_view


@pytest.fixture
def loop():
    """Yield a network thread that ends with the test."""
    made = NetworkLoop("test-network")
    yield made
    made.stop()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("mqtt://box", Address("box", 1883)),
        ("mqtt://127.0.0.1:12", Address("127.0.0.1", 12)),
        ("mqtts://box", Address("box", 8883, tls=True)),
        ("ws://box:8080/mqtt", Address("box", 8080, "websockets")),
        ("wss://[::1]/here", Address("::1", 443, "websockets", tls=True, path="/here")),
    ],
)
def test_addresses_are_read(url, expected):
    """The four schemes of the contract, with the usual ports."""
    assert Address.parse(url) == expected


@pytest.mark.parametrize("url", ["box", "http://box", "mqtt://", "mqtt://me:secret@box"])
def test_other_urls_are_refused_without_repeating_them(url):
    """A URL may hold a secret by mistake: the error does not show it."""
    with pytest.raises(ValueError, match="URL") as caught:
        Address.parse(url)
    assert "secret" not in str(caught.value)


def _ceilings(backoff: Backoff, count: int, *, refused: bool = False) -> list[float]:
    found = []
    for _ in range(count):
        found.append(backoff.ceiling(refused=refused))
        assert 0 <= backoff.next(refused=refused) <= found[-1]
    return found


def test_the_back_off_is_short_while_a_box_restarts_and_draws_evenly():
    """At most two seconds for the first minute; any delay below, so that not all come at once."""
    backoff = Backoff()
    assert _ceilings(backoff, 60) == [0.5, 1, *[2] * 58]
    assert _ceilings(backoff, 6) == [2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert backoff.ceiling() == 0.5
    assert Backoff(draw=lambda: 0.5).next() == 0.25


def test_the_back_off_is_long_for_a_credential_that_is_refused():
    """Nobody waits for it, and the broker counts it as a guess."""
    assert _ceilings(Backoff(), 8, refused=True) == [0.5, 1, 2, 4, 8, 16, 30, 30]


def test_the_back_off_keeps_to_its_longest():
    """A program that wants to be back within half a second says so in one place."""
    assert max(_ceilings(Backoff(0.05, 0.3), 200)) == 0.3


def test_the_back_off_never_overflows():
    """A box that is away for a year is still tried every 30 s at the latest."""
    backoff = Backoff(draw=lambda: 1.0)
    assert [backoff.next() for _ in range(2000)][-1] == 30


def test_a_credential_is_kept_for_its_owner_alone(tmp_path):
    """Saved whole with mode 0600, read as it was; its text form hides the secret."""
    path = tmp_path / "kiosk.json"
    credential = Credential("clinic", "d-1", Role.PATIENT, "top-secret", session="s-1")
    path.write_text("an older one")
    credential.save(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert Credential.load(path) == credential
    assert [p.name for p in tmp_path.iterdir()] == ["kiosk.json"]
    assert "top-secret" not in repr(credential)


@pytest.mark.parametrize("content", ["", "{", '{"secret": "top-secret"}', '{"v": "top-secret"}'])
def test_a_file_that_is_no_credential_is_refused_without_repeating_it(tmp_path, content):
    """The error names the file alone."""
    path = tmp_path / "kiosk.json"
    path.write_text(content)
    with pytest.raises(ValueError, match="is not a credential file") as caught:
        Credential.load(path)
    assert "top-secret" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("change", "newer"),
    [
        ({"revision": 42}, True),
        ({"revision": 40}, False),
        ({"revision": 40, "epoch": 2}, True),
        ({"revision": 90, "epoch": 0}, False),
        ({"acknowledged_seq": 13}, True),
        ({"acknowledged_seq": 11}, False),
        ({"host_online": False}, True),
    ],
)
def test_an_older_view_is_ignored(change, newer):
    """By epoch, then revision; among equals the later, unless it acknowledges less."""
    assert is_newer(patient_view(**change), patient_view()) is newer


def test_a_session_that_ends_settles_everything(loop):
    """What the last view does not count is refused as `session_ended`."""
    side: SessionState[PatientView] = SessionState("s-1")
    side.see(patient_view(acknowledged_seq=12))
    pending = [Pending(loop), Pending(loop)]
    for number, each in enumerate(pending):
        side.put(command(number), each)
    side.take(0.0)
    news, settled = side.see(
        patient_view(revision=42, acknowledged_seq=13, status=SessionStatus.COMPLETED)
    )
    assert news
    assert [each for each, _ in settled] == pending
    assert settled[0][1].status is SessionStatus.COMPLETED
    assert settled[1][1].code is RejectionCode.SESSION_ENDED


def test_the_same_view_is_no_news(loop):
    """A view that is published again wakes nobody."""
    side: SessionState[PatientView] = SessionState("s-1")
    assert side.see(patient_view())[0]
    assert not side.see(patient_view())[0]
    assert loop is not None


def test_connection_numbers_rise_even_when_the_clock_goes_back(tmp_path):
    """A device without a clock keeps its last number, where it has a folder."""
    numbers = ConnectionNumbers(tmp_path)
    first, second = numbers.next(), numbers.next()
    assert second > first
    (tmp_path / "connection").write_text(str(2**50))
    assert ConnectionNumbers(tmp_path).next() == 2**50 + 1
    (tmp_path / "connection").write_text("garbage")
    assert ConnectionNumbers(tmp_path).next() >= first


def test_a_value_that_cannot_be_sent_is_refused_without_repeating_it():
    """An exception's text may end in a log: it holds nothing that a patient entered."""
    with pytest.raises(ValueError, match="value") as caught:
        _built(EnterField, command_id="x", seq=1, field_id="a", value={"Zebulon"})
    assert "Zebulon" not in str(caught.value)
    assert caught.value.__context__ is None


def test_waiting_ends_with_the_event_the_deadline_or_the_close(loop):
    """`until` gives what it looks for, or says what came instead."""
    board = Notifier(loop)
    with pytest.raises(TimedOut):
        board.until(lambda: None, 0.01)
    timer = threading.Timer(0.01, board.close)
    timer.start()
    with pytest.raises(Closed):
        board.until(lambda: None, 5)
    assert board.until(lambda: 1, 0) == 1


def test_nobody_waits_in_the_network_thread(loop):
    """A callback that waits would wait for itself: it is told so at once."""
    board, pending = Notifier(loop), Pending(loop)
    caught = []

    def callback():
        for wait in (lambda: board.until(lambda: None, 1), lambda: pending.result(1)):
            try:
                wait()
            except RuntimeError as error:
                caught.append(error)

    done = threading.Event()
    loop.run(callback)
    loop.run(done.set)
    assert done.wait(5)
    assert len(caught) == 2


def test_a_listener_that_fails_does_not_stop_the_others(loop, caplog):
    """Its failure is logged by type and place, without its text."""
    board = Notifier(loop)
    heard = []
    board.listen(str, lambda value: (_ for _ in ()).throw(ValueError(value)))
    board.listen(str, heard.append)
    stop = board.listen(str, heard.append)
    stop()
    board.tell("Zebulon")
    assert heard == ["Zebulon"]
    assert "ValueError" in caplog.text
    assert "Zebulon" not in caplog.text


@given(st.integers(1, 40), st.integers(1, 7), st.integers(1, 4), st.integers(0, 2**32))
def test_chunks_cover_a_document_whatever_is_lost(size, chunk, window, seed):
    """Every byte goes out, never more than the window at once, and a resume goes on exactly."""
    chance = random.Random(seed)
    plan = ChunkPlan(size, chunk, window)
    got: set[int] = set()
    in_flight: list[tuple[int, int]] = []
    plan.resume(0)
    for _ in range(10 * size + 20):
        in_flight += plan.take()
        assert len(in_flight) <= window
        if plan.all_sent:
            break
        if chance.random() < 0.2:
            in_flight.clear()
            prefix = next((n for n in range(size) if n not in got), size)
            plan.resume(prefix)
            continue
        start, end = in_flight.pop(0)
        got |= set(range(start, end))
        plan.acknowledged(start)
    assert plan.all_sent
    assert got == set(range(size))


@given(st.binary(min_size=1, max_size=60), st.integers(1, 9), st.integers(0, 2**32))
def test_a_document_is_put_together_in_any_order(data, chunk, seed):
    """Pieces may come twice and mixed; nothing is given before all are there."""
    pieces = [(at, data[at : at + chunk]) for at in range(0, len(data), chunk)] * 2
    random.Random(seed).shuffle(pieces)
    assembly, seen = Assembly(), set()
    for at, piece in pieces:
        seen.add(at)
        assembly.add(at, piece)
        complete = len(seen) == len(range(0, len(data), chunk))
        assert assembly.whole(len(data)) == (data if complete else None)
