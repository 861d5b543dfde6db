"""A clean Debian root, and packages of two versions. These tests run with ./run clean-debian."""

import os
import platform
import re
import subprocess
from pathlib import Path

import pytest

from tests.machine import environment, require
from tests.packaging.conftest import find_uv, runner
from tests.packaging.conftest import sources as sources  # noqa: PLC0414 - a fixture

_INCLUDED = "python3,adduser,ca-certificates,sudo,systemd-sysv,dbus,iproute2"
"""What a standard installation of Debian has and the smallest one lacks, as far as we need it."""


collect_ignore = ["test_a_clinic.py"] if "HANDRAIL_CLEAN_DEBIAN" not in os.environ else []
"""It takes minutes, and Debian's archive."""


@pytest.fixture(autouse=True, scope="session")
def _on_demand() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can start a machine")
    require("unshare", "mount", "ip", "chromium", "certutil", "dpkg-deb")


@pytest.fixture(scope="session")
def root(_on_demand: None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the root folder of a clean Debian, of the release that runs here."""
    if kept := os.environ.get("HANDRAIL_DEBIAN_ROOT"):
        return Path(kept)
    (debootstrap,) = require("debootstrap")
    release = platform.freedesktop_os_release()["VERSION_CODENAME"]
    folder = tmp_path_factory.mktemp("debian") / "root"
    order = [debootstrap, "--variant=minbase", f"--include={_INCLUDED}", release, str(folder)]
    done = subprocess.run(order, capture_output=True, text=True, check=False, env=environment())
    if done.returncode != 0:
        pytest.skip(f"debootstrap: {done.stdout[-500:]}{done.stderr[-500:]}")
    return folder


@pytest.fixture(scope="module")
def packages(_on_demand: None, sources: Path) -> tuple[Path, Path]:
    """Return the package of this version, and one of the next."""
    return _built(sources, "old", None), _built(sources, "new", "0.2.0")


def _built(sources: Path, name: str, version: str | None) -> Path:
    if version is not None:
        project = sources / "pyproject.toml"
        other = re.sub(
            r'^version = ".*"', f'version = "{version}"', project.read_text(), flags=re.MULTILINE
        )
        project.write_text(other)
    programs = f"{Path(find_uv()).absolute().parent}:{os.environ['PATH']}"
    runner(sources / "run", sources, PATH=programs)("package", sources.parent / name)
    (found,) = (sources.parent / name).iterdir()
    return found
