"""The dashboard and the alert rules name metrics that a box has, with labels that they have."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from session_controller.service.monitoring.activity import Activity
from session_controller.service.monitoring.monitor import BrokerProbe
from session_controller.storage.entities import DeliveryBacklog
from tests.conftest import ROOT, RunningBox
from tests.faults.loopback import staged
from tests.pages import first_codes

DEPLOY = ROOT / "deploy"
_NAME = re.compile(r"\bhandrail_\w+")
_BY_PROMETHEUS = {"instance", "job"}


def expressions() -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, expression and texts with `{{label}}` of each panel and each rule."""
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], [target["legendFormat"]]
    for group in yaml.safe_load((DEPLOY / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"], list(rule["annotations"].values())


EXPRESSIONS = list(expressions())


@pytest.fixture
async def known(tmp_path: Path, async_box: RunningBox) -> dict[str, set[str]]:
    """Return the samples of a box by name, with their labels: all that it can ever have."""
    counters = async_box.box._broker.counters  # type: ignore[union-attr]
    probe = BrokerProbe(lambda: counters, certificate_ends=lambda: datetime.now(UTC))
    async with staged(tmp_path / "other", broker=probe) as stage:
        _deliver_something(stage.service.monitor)
        text = await stage.service.monitor.metrics()
    found: dict[str, set[str]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, rest = line.rpartition(" ")[0].partition("{")
            found.setdefault(name, set()).update(re.findall(r'(\w+)="', rest))
    return found


def _deliver_something(monitor: Any) -> None:
    """Put a delivery into the backlog and into the counts, so that their labels are there."""
    activity: Activity = monitor.activity
    activity.deliveries["ehr", "delivered"] += 1
    backlog = [DeliveryBacklog("ehr", "waiting", 1, datetime.now(UTC))]
    monitor.store.delivery_backlog = lambda: backlog


def test_each_metric_exists_with_its_labels(known: dict[str, set[str]]) -> None:
    """Also those that a legend or an annotation names."""
    for title, expression, texts in EXPRESSIONS:
        names = set(_NAME.findall(expression))
        assert names <= known.keys(), title
        assert names or "up{" in expression, title
        labels = set().union(*(known[name] for name in names)) | _BY_PROMETHEUS
        shown = {
            label for text in texts for label in re.findall(r"\{\{ ?\$?(?:labels\.)?(\w+)", text)
        }
        assert shown - {"value"} <= labels, title
        matched = set(re.findall(r"[{,]\s*(\w+)\s*(?:=|!=|=~|!~)", expression))
        assert matched <= labels, title


def test_each_metric_is_on_the_page(known: dict[str, set[str]]) -> None:
    """With its name as Prometheus shows it, and none that no box has."""
    families = {re.sub(r"_(bucket|sum|count)$", "", name) for name in known}
    ours = {name for name in families if not name.startswith("handrail_broker_")}
    told = first_codes("reference/metrics.md", "## Metrics")
    assert sorted(told) == sorted(ours | {"handrail_broker_…"})
