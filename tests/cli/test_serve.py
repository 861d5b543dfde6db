"""`handrail serve`: starts, says where, stops, and comes back."""

import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.machine import free_port, needs_ipv6

from .conftest import PROGRAM, Handrail, Serving


def test_it_says_when_it_is_ready_and_stops_cleanly(tmp_path: Path) -> None:
    """A line with `ready` and the addresses; SIGTERM and SIGINT end it with 0."""
    for number in (signal.SIGTERM, signal.SIGINT):
        with Serving(tmp_path / "data") as serving:
            assert "ready" in serving.ready
            socket.create_connection(("127.0.0.1", serving.port), timeout=5).close()
            assert serving.end(number) == 0
        assert not (tmp_path / "data" / "box.json").exists()


def test_its_log_is_quiet(tmp_path: Path) -> None:
    """No library chatters at the start and the end, and without faults nothing warns."""
    with Serving(tmp_path / "data", "--log-level", "warning") as serving:
        serving.end()
    assert serving.log.read_text() == ""


_DUMPABLE = """
import ctypes
from clients.cli.running import forbid_core_dumps
forbid_core_dumps()
print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))
"""
"""Prints PR_GET_DUMPABLE."""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_writes_no_core_dump(tmp_path: Path) -> None:
    """It holds the key and answers in memory: neither a file nor a core dump handler gets them."""
    with Serving(tmp_path / "data") as serving:
        limits = Path(f"/proc/{serving.process.pid}/limits").read_text()
        assert re.search(r"^Max core file size +0 +0 ", limits, re.MULTILINE)
    order = [sys.executable, "-c", _DUMPABLE]
    assert subprocess.run(order, capture_output=True, check=True).stdout == b"0\n"


def test_clear_text_on_the_network_is_asked_for_and_warned_of(
    tmp_path: Path, handrail: Handrail
) -> None:
    """Only `--no-tls` opens it, and `status` shows it as long as the box runs."""
    data = tmp_path / "data"
    with Serving(data, "--no-tls", "--mqtt", "0.0.0.0:0", "--no-mdns") as serving:
        found = handrail("status", "--data", data, "--json").json["findings"]
        [clear] = [each for each in found if each["check"] == "clear-text"]
        assert "no TLS at --mqtt 0.0.0.0" in clear["text"]
        assert serving.end() == 0
        assert "others on the network can read answers" in serving.log.read_text()


@needs_ipv6
def test_ipv6_stands_in_brackets(tmp_path: Path) -> None:
    """`[::1]:0` is an address, and is shown as one."""
    with Serving(tmp_path / "data", "--mqtt", "[::1]:0") as serving:
        assert "mqtt://[::1]:" in serving.ready
        assert serving.end() == 0


def test_a_killed_box_comes_back_with_its_sessions(tmp_path: Path, handrail: Handrail) -> None:
    """`kill -9`, and a new start on the same folder shows what was acknowledged."""
    data = tmp_path / "data"
    with Serving(data) as first:
        opened = handrail("session", "open", "quick-check-in", "--data", data, "--json").json
        assert first.end(signal.SIGKILL) == -signal.SIGKILL
    with Serving(data) as second:
        shown = handrail("session", "list", "--data", data, "--json").json
        assert [line["session"] for line in shown] == [opened["session"]]
        assert second.end() == 0


def _refused(*options: str) -> tuple[int, str]:
    found = subprocess.run(
        [*PROGRAM, "serve", *options], capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in found.stderr
    assert "ready" not in found.stdout
    return found.returncode, found.stderr


def test_a_port_in_use_is_one_line_and_3(tmp_path: Path) -> None:
    """Another program has the port."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = _refused("--data", str(tmp_path / "data"), "--mqtt", f"127.0.0.1:{port}")
    assert code == 3
    assert "address already in use" in said.strip().splitlines()[-1]
    assert "box started" not in said


def test_a_busy_data_folder_is_one_line_and_3(data: Path) -> None:
    """Two boxes on one folder would corrupt it."""
    code, said = _refused("--data", str(data), "--mqtt", "127.0.0.1:0", "--http", "127.0.0.1:0")
    assert code == 3
    assert len(said.strip().splitlines()) == 1
    assert "in use" in said


@pytest.mark.parametrize(
    "options",
    [
        ("--broker", "http://broker"),
        ("--mqtt", "1883"),
        ("--mqtt", "::1:1883"),
        ("--mqtt", "127.0.0.1:99999"),
        ("--http", "127.0.0.1:x"),
        ("--site", "Not A Site"),
        ("--idle-limit", "soon"),
    ],
)
def test_wrong_use_is_2(tmp_path: Path, options: tuple[str, ...], handrail: Handrail) -> None:
    """What cannot be read is named."""
    ran = handrail("serve", "--data", tmp_path / "data", *options)
    assert ran.code == 2
    assert ran.err


def test_the_site_is_fixed_at_the_first_start(tmp_path: Path, handrail: Handrail) -> None:
    """Devices know their site: a folder keeps the one it was started with."""
    data = tmp_path / "data"
    with Serving(data, "--site", "clinic-a") as serving:
        assert "site clinic-a" in serving.ready
        serving.end()
    enrolled = handrail("device", "enrol", "x", "--role", "patient", "--data", data, "--json").json
    assert enrolled["site"] == "clinic-a"
    ran = handrail("serve", "--data", data, "--site", "clinic-b")
    assert ran.code == 2
    assert "clinic-a" in ran.err


def test_waiting_for_a_broker_can_be_ended(tmp_path: Path) -> None:
    """SIGTERM ends a box that its broker keeps waiting, too."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        process = subprocess.Popen(
            [*PROGRAM, "serve", "--data", str(tmp_path), "--broker", f"mqtt://127.0.0.1:{port}"],
            stdout=subprocess.PIPE,
        )
        connection, _ = silent.accept()
        with connection:
            process.terminate()
            out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"ready" not in out


def test_a_box_with_another_broker_has_its_checks(tmp_path: Path) -> None:
    """On the address of `--http`; while it waits for its broker it is alive and not ready."""
    http = free_port()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        order = ["--broker", f"mqtt://127.0.0.1:{port}", "--http", f"127.0.0.1:{http}"]
        process = subprocess.Popen([*PROGRAM, "serve", "--data", str(tmp_path), *order])
        connection, _ = silent.accept()
        with connection:
            assert _status(http, "/healthz")[0] == 200
            status, text = _status(http, "/readyz")
            assert status == 503
            assert "not connected to its broker" in text
            assert 'handrail_ready{check="broker"} 0' in _status(http, "/metrics")[1]
            process.terminate()
            assert process.wait(60) == 0


def _status(port: int, path: str) -> tuple[int, str]:
    connection = HTTPConnection("127.0.0.1", port, timeout=20)
    with closing(connection):
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
