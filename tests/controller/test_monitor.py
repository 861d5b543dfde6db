"""Readiness and metrics of a service: what they say, and that they follow what happens."""

import shutil
import sqlite3
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest

from session_controller.audit.events import DeliveryChanged
from session_controller.engine import events as f
from session_controller.preflight.folder import MIN_FREE_BYTES
from session_controller.service.monitoring import monitor as m
from session_controller.service.monitoring.exposition import (
    Histogram,
    counter,
    exposition,
    gauge,
)
from session_controller.service.monitoring.monitor import BrokerProbe
from session_controller.service.monitoring.readiness import MAX_BEHIND_S
from session_controller.service.unit_of_work import UnitOfWork
from tests.faults.loopback import Stage, staged

Values = dict[str, float]


def read(text: str) -> Values:
    """Parse the text format: values by name and labels as written."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


async def scrape(stage: Stage) -> Values:
    """Return the metrics of a service."""
    return read(await stage.service.monitor.metrics())


def test_the_text_format() -> None:
    """Help and type once for each family; labels are escaped; buckets include those below."""
    histogram = Histogram("t_seconds", "Time.", (0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)
    families = [
        gauge("a", "An a.", 1),
        counter("b_total", "Bs.", [({"x": 'q"\\\n'}, 2.5)]),
        histogram.family(),
    ]
    assert exposition(families) == (
        "# HELP a An a.\n# TYPE a gauge\na 1\n"
        '# HELP b_total Bs.\n# TYPE b_total counter\nb_total{x="q\\"\\\\\\n"} 2.5\n'
        "# HELP t_seconds Time.\n# TYPE t_seconds histogram\n"
        't_seconds_bucket{le="0.1"} 2\nt_seconds_bucket{le="1.0"} 3\n'
        't_seconds_bucket{le="+Inf"} 4\nt_seconds_sum 7.65\nt_seconds_count 4\n'
    )


async def test_a_scrape_follows_what_happens(tmp_path: Path) -> None:
    """Sessions, devices, commands, refusals and commits."""
    async with staged(tmp_path) as stage:
        before = await scrape(stage)
        await stage.open()
        stage.say("kiosk", "ENTER_FIELD", field_id="nothing", value="x")
        await stage.service.settled()
        found = await scrape(stage)
    assert before['handrail_sessions_total{event="opened"}'] == 0
    assert found['handrail_sessions_total{event="opened"}'] == 1
    assert sum(found[f'handrail_open_sessions{{status="{s}"}}'] for s in ("waiting", "active")) == 1
    assert found['handrail_devices_online{role="facility"}'] == 1
    assert found['handrail_devices_enrolled{role="patient"}'] == 1
    assert found["handrail_commands_total"] == 1
    assert found['handrail_refused_total{code="unknown_field"}'] == 1
    assert found["handrail_commits_total"] == found["handrail_commit_seconds_count"]
    assert found['handrail_ready{check="store"}'] == 1
    assert found["handrail_disk_free_bytes"] > 0
    assert found["handrail_last_backup_timestamp_seconds"] == 0


async def test_each_family_has_a_name_of_its_own(tmp_path: Path) -> None:
    """Also for OpenMetrics, where a counter's family is named without `_total`."""
    async with staged(tmp_path) as stage:
        text = await stage.service.monitor.metrics()
    kinds = [line.split(" ")[2:] for line in text.splitlines() if line.startswith("# TYPE")]
    names = [name.removesuffix("_total") for name, _ in kinds]
    assert sorted(names) == sorted(set(names))
    assert {name for name, kind in kinds if kind == "counter"} == {
        name for name, _ in kinds if name.endswith("_total")
    }


async def test_no_label_names_a_session_or_a_device(tmp_path: Path) -> None:
    """They would be without bound, and tell who is there."""
    async with staged(tmp_path) as stage:
        await stage.open()
        text = await stage.service.monitor.metrics()
        names = [stage.session, '"desk"', '"kiosk"', '"it"']
    assert [name for name in names if name in text] == []


async def test_the_backlog_of_deliveries_is_shown_by_destination(tmp_path: Path) -> None:
    """How many have a status, and the age of the oldest that waits."""
    later = timedelta(0)
    async with staged(tmp_path) as stage:
        await stage.open()
        _end(stage)
        await stage.service.settled()
        clock = stage.service.monitor.clock
        stage.service.monitor.clock = lambda: clock() + later
        later = timedelta(hours=2)
        found = await scrape(stage)
    assert found['handrail_pending_deliveries{destination="ehr",status="waiting"}'] == 1
    oldest = found['handrail_delivery_oldest_seconds{destination="ehr"}']
    assert 7200 <= oldest < 7300
    assert found['handrail_deliveries_total{destination="ehr",status="held"}'] == 1


def _end(stage: Stage) -> None:
    """Complete the session while it is owed to a destination."""

    def end(work: UnitOfWork) -> None:
        session = work.session(stage.session)
        assert session is not None
        work.record(session, f.Completed())
        work.note(DeliveryChanged(destination="ehr", status="held"), session=stage.session)

    stage.service.registry.lost_destinations = ("ehr",)
    stage.service.submit(end)


async def test_a_slow_database_does_not_keep_a_scrape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deliveries are left out, and what was begun is used by the next scrape."""
    monkeypatch.setattr(m, "_STORE_PATIENCE_S", 0.0)
    async with staged(tmp_path) as stage:
        await stage.open()
        async with stage.service._file:
            text = await stage.service.monitor.metrics()
            reading = stage.service.monitor._reading
            again = await stage.service.monitor.metrics()
            assert stage.service.monitor._reading is reading
    assert "handrail_commits_total" in text
    assert "# TYPE handrail_pending_deliveries gauge" not in text + again
    assert reading is not None
    assert reading.result() == []


async def test_the_brokers_counters_are_shown(tmp_path: Path) -> None:
    """Counters and gauges by their names, ends of connections by their reason."""
    counters = {"messages_sent": 7, "connections": 3, "ended_keepalive": 2}
    async with staged(tmp_path, broker=BrokerProbe(lambda: counters)) as stage:
        found = await scrape(stage)
    assert found["handrail_broker_messages_sent_total"] == 7
    assert found["handrail_broker_connections"] == 3
    assert found['handrail_broker_ended_total{reason="keepalive"}'] == 2


async def test_a_box_is_ready(tmp_path: Path) -> None:
    """Where nothing is wrong, no check fails."""
    async with staged(tmp_path) as stage:
        assert stage.service.monitor.failing() == {}
        assert stage.service.monitor.stores


def _full(stage: Stage) -> None:
    stage.store._db.execute("PRAGMA query_only=1")


def _disconnected(stage: Stage) -> None:
    stage.link.connected = False


def _damaged(stage: Stage) -> None:
    error = sqlite3.DatabaseError("Zorblatt")
    error.sqlite_errorname = "SQLITE_CORRUPT"
    stage.store.distrust(error)


def _behind(stage: Stage) -> None:
    steady = stage.service._steady
    stage.service._steady = lambda: steady() + MAX_BEHIND_S + 1


def _little_room(_: Stage) -> None:
    patched = SimpleNamespace(free=MIN_FREE_BYTES - 1, total=1 << 40)
    m.shutil = SimpleNamespace(disk_usage=lambda _: patched)  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("trouble", "check"),
    [
        (_full, "store"),
        (_behind, "store"),
        (_disconnected, "broker"),
        (_damaged, "database"),
        (_little_room, "disk"),
    ],
    ids=["refuses", "behind", "broker", "damaged", "disk"],
)
async def test_each_trouble_fails_its_check(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Callable[[Stage], None],
    check: str,
) -> None:
    """By name, with a sentence; the metric says the same, and `stores` follows its check."""
    monkeypatch.setattr(m, "shutil", shutil)
    async with staged(tmp_path) as stage:
        await stage.open()
        trouble(stage)
        stage.say("kiosk", "FOCUS_FIELD", field_id=None)
        if trouble is not _behind:
            await stage.service.settled()
        failing = stage.service.monitor.failing()
        stores = stage.service.monitor.stores
        stage.store._db.execute("PRAGMA query_only=0")
    assert check in failing
    assert failing[check].endswith(".")
    assert "Zorblatt" not in str(failing)
    assert stores == ("store" not in failing)


async def test_each_second_the_store_is_tried_and_omitted_lines_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By the service itself."""
    now_s = 0.0
    async with staged(tmp_path, steady=lambda: now_s) as stage:
        await stage.open()
        for _ in range(20):
            stage.say("kiosk", "ENTER_FIELD", field_id="nothing", value="x")
        await stage.service.settled()
        _full(stage)
        now_s = 61.0
        await stage.service._second(idle=False)
        assert "lines omitted" in caplog.text
        assert not stage.service.monitor.stores
        stage.store._db.execute("PRAGMA query_only=0")


async def test_an_idle_box_finds_out_that_its_disk_does_not_store(tmp_path: Path) -> None:
    """After a while without a commit one is tried; after an error sooner, until it succeeds."""
    now_s = 0.0
    async with staged(tmp_path, steady=lambda: now_s) as stage:
        await stage.open()
        _full(stage)
        await stage.service._probe()
        assert stage.service.monitor.stores, "too soon"
        now_s = 61.0
        await stage.service._probe()
        assert not stage.service.monitor.stores
        stage.store._db.execute("PRAGMA query_only=0")
        now_s = 63.0
        await stage.service._probe()
        assert not stage.service.monitor.stores, "too soon"
        now_s = 67.0
        await stage.service._probe()
        await stage.service.settled()
        assert stage.service.monitor.stores
