"""Mounts that tests make, taken away again whatever happens."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

needs_root = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("mount") is None, reason="mounting needs root"
)
needs_strace = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: apt-get install strace"
)


@contextmanager
def tmpfs(at: Path, size: str, options: str = "") -> Iterator[Path]:
    """Mount a small file system in memory; skips where even root may not, as in a container."""
    at.mkdir()
    order = ["mount", "-t", "tmpfs", "-o", f"size={size}{options}", "tmpfs", str(at)]
    done = subprocess.run(order, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount here: {done.stderr.strip()}")
    try:
        yield at
    finally:
        subprocess.run(["umount", "--lazy", str(at)], check=True)


def run(*order: str) -> str:
    """Run a command of the system and give what it says."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    return subprocess.run(
        order, check=True, capture_output=True, text=True, env={**os.environ, "PATH": path}
    ).stdout
