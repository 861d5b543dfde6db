"""Two controllers for one site, such as a copy of the data folder that was restored elsewhere."""

import shutil
from pathlib import Path

import pytest

from tests.machine import free_port

from .forms import VISIT
from .raw import Pair, room
from .serving import admins_of, handrail_serve, mosquitto

pytestmark = pytest.mark.timeout(90)

_WAIT_S = 30


@pytest.mark.slow
def test_a_copy_that_is_started_beside_its_original_stops_and_says_why(tmp_path: Path) -> None:
    """The original goes on, and so do its sessions; the copy ends within seconds."""
    port, data, copy = free_port(), tmp_path / "data", tmp_path / "copy"
    url = ("--broker", f"mqtt://127.0.0.1:{port}")
    with mosquitto(tmp_path / "broker", port), room(port, {}) as here:
        with handrail_serve(data, free_port(), *url) as first:
            first.stop()
        shutil.copytree(data, copy)
        with handrail_serve(data, free_port(), *url):
            here.admins = admins_of(data)
            pair = Pair(here, VISIT)
            pair.enter(name="Ada")
            with handrail_serve(copy, free_port(), *url) as second:
                assert second.process.wait(_WAIT_S) != 0
            said = second.stderr.read_text()
            assert "another controller serves the site 'main'" in said
            assert "Traceback" not in said
            pair.enter(name="Grace")
            assert pair.both()[1]["fields"]["name"] == {"value": "Grace"}
