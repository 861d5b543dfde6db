"""The unit tests of the pages, which Node runs: `npm test` in `clients/web`."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping

from tests.conftest import ROOT

_NPM = ROOT / "clients" / "web" / "tools" / "npm.py"
_WITHIN_S = 100
_COUNT = re.compile(r"^\S+ tests (\d+)$", re.MULTILINE)


def run(more: Mapping[str, str] | None = None) -> int:
    """Run all of them, with more in their environment; return how many ran. None may fail."""
    done = subprocess.run(
        [sys.executable, str(_NPM), "run", "--silent", "test"],
        env={**os.environ, **(more or {})},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=_WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    counted = _COUNT.search(done.stdout)
    assert counted, done.stdout
    return int(counted[1])
