"""`handrail session watch`: lines as they come, over a restart of the box."""

import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from .conftest import PROGRAM, Handrail, Serving


def _lines(process: "subprocess.Popen[bytes]", within_s: float = 60.0) -> Iterator[Any]:
    """Yield each line that the watcher prints, as it comes."""
    assert process.stdout is not None
    deadline, rest = time.monotonic() + within_s, b""
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 1)[0]:
            read = os.read(process.stdout.fileno(), 65536)
            if not read:
                return
            *lines, rest = (rest + read).split(b"\n")
            yield from map(json.loads, lines)


def test_it_follows_a_session_over_a_restart_at_another_port(
    tmp_path: Path, handrail: Handrail
) -> None:
    """The box is killed and comes back elsewhere; the watcher shows the end, and ends."""
    data = tmp_path / "data"
    with Serving(data) as first:
        opened = handrail("session", "open", "quick-check-in", "--data", data, "--json").json
        session = opened["session"]
        command = [*PROGRAM, "session", "watch", session, "--data", str(data), "--json"]
        watcher = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            lines = _lines(watcher)
            assert next(lines)["session"] == session
            first.end(signal.SIGKILL)
            with Serving(data):
                handrail("session", "cancel", session, "--reason", "x", "--data", data)
                assert [line["status"] for line in lines][-1] == "cancelled"
                assert watcher.wait(30) == 0
        finally:
            watcher.kill()
            watcher.wait()
            if watcher.stdout is not None:
                watcher.stdout.close()


def test_an_ended_session_is_shown_once(data: Path, handrail: Handrail) -> None:
    """There is nothing to wait for."""
    session = handrail("session", "open", "quick-check-in", "--data", data, "--json").json[
        "session"
    ]
    handrail("session", "cancel", session, "--reason", "x", "--data", data)
    ran = handrail("session", "watch", session, "--data", data)
    assert ran.code == 0
    assert "cancelled" in ran.out
    assert handrail("session", "watch", "s-none", "--data", data).code == 1
