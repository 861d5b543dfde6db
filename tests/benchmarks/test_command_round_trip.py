"""The comparison of whole commands runs, and counts each command once, on every server here."""

import pytest

from benchmarks.command_round_trip.measuring import measure
from benchmarks.command_round_trip.report import Rounds, table
from benchmarks.command_round_trip.servers import SERVERS, MissingError

SHORT_S = 0.3
TASKS = [
    {"name": "guided", "seconds": SHORT_S},
    {"name": "mixed", "seconds": SHORT_S},
    {"name": "paced", "seconds": SHORT_S, "rate": 50.0},
    {"name": "reconnect", "seconds": SHORT_S},
]


@pytest.mark.slow
@pytest.mark.timeout(600)  # the first run on a machine compiles a peer's library
@pytest.mark.parametrize("server", SERVERS)
def test_every_command_of_a_run_is_on_disk_once(server: str) -> None:
    """What the screens saw acknowledged is what the database holds; `measure` raises if not."""
    try:
        results = measure(server, 2, TASKS)
    except MissingError as missing:
        pytest.skip(str(missing))
    counted = sum(results[name]["commands"] for name in ("guided", "mixed", "paced"))
    assert 0 < counted < results["all"]["commands"]
    assert results["paced"]["commands"] == pytest.approx(50.0 * SHORT_S, abs=1)
    assert results["reconnect"]["reconnects"] >= 2
    assert results["guided"]["load_cpu_share"] < 1


@pytest.mark.slow
@pytest.mark.timeout(600)  # the first run on a machine compiles a peer's library
@pytest.mark.parametrize("server", SERVERS)
def test_syncs_can_take_longer(server: str) -> None:
    """No screen is shown a command before the sync that makes it durable has returned."""
    try:
        results = measure(server, 2, TASKS[:1], sync_ms=20.0)
    except MissingError as missing:
        pytest.skip(str(missing))
    assert results["guided"]["p50_ms"] > 20


def test_the_table_compares_medians_with_the_better_peer() -> None:
    """A ratio stands against the higher throughput and against the lower latency."""

    def run(per_second: float, p50_ms: float) -> dict[str, dict[str, float]]:
        return {"guided": {"per_second": per_second, "p50_ms": p50_ms}}

    rounds: Rounds = {
        ("handrail", 1): [run(100, 1), run(300, 3), run(200, 2)],
        ("ws", 1): [run(50, 4)],
        ("mosquitto", 1): [run(80, 8)],
    }
    for runs in rounds.values():
        for each in runs:
            each["guided"] |= {"p99_ms": 1.0, "cpu_ms_per_1000": 1.0}
    lines = table(rounds, ["handrail", "ws", "mosquitto"], gathered=1_000).splitlines()
    assert lines[2] == "| 1 | guided, commands/s | 200 | 50 | 80 | 2.50 |"
    assert lines[3] == "| 1 | guided, p50 ms | 2 | 4 | 8 | 0.50 |"
