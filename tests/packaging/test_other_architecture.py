"""A package for another kind of processor is put together here, and has nothing of this machine."""

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine import require

from .conftest import MINUTES, find_uv, runner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * MINUTES)]

_MACHINES = {"amd64": 62, "arm64": 183}
"""`e_machine` of an ELF header."""


def _binaries(folder: Path) -> Iterator[tuple[Path, int]]:
    """Yield each ELF file, with the machine that it is for."""
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            with path.open("rb") as file:
                header = file.read(20)
            if header.startswith(b"\x7fELF"):
                yield path, int.from_bytes(header[18:20], "little")


@pytest.fixture(scope="module")
def other() -> str:
    """Return the architecture that this machine has not."""
    (dpkg,) = require("dpkg")
    if not Path("/usr/bin/python3").exists():
        pytest.skip("the system has no Python of its own")
    mine = subprocess.check_output([dpkg, "--print-architecture"], text=True).strip()
    return "amd64" if mine == "arm64" else "arm64"


@pytest.fixture(scope="module")
def package(sources: Path, other: str) -> Path:
    """Build a package for it, without pages: they are the same on each machine."""
    uv, out = Path(find_uv()).absolute(), sources.parent / "out"
    build = runner(uv, sources, HATCH_BUILD_NO_HOOKS="true")
    build("build", "--quiet", "--wheel", "--out-dir", sources.parent)
    (wheel,) = sources.parent.glob("*.whl")
    runner(sources / "deploy/debian/build", sources, UV=str(uv))(wheel, out, other)
    (found,) = out.iterdir()
    return found


def test_each_binary_is_for_that_machine(package: Path, other: str, tmp_path: Path) -> None:
    """And so says the package; what is compiled of Python, and the manual page, are there."""
    order = ["dpkg-deb", "--field", package, "Architecture"]
    assert subprocess.check_output(order, text=True).strip() == other
    assert package.name.endswith(f"_{other}.deb")
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    found = dict(_binaries(tmp_path))
    assert len(found) > 20
    assert [str(path) for path, machine in found.items() if machine != _MACHINES[other]] == []
    names = {path.name.split(".")[0] for path in found}
    assert {"_rust", "_pydantic_core", "_argon2_cffi_bindings"} & names
    assert list(tmp_path.glob("opt/handrail/lib/python3.*/site-packages/__pycache__/cli.*.pyc"))
    assert (tmp_path / "usr/share/man/man1/handrail.1.gz").stat().st_size > 10_000
    assert (tmp_path / "opt/handrail/bin/python").readlink() == Path("/usr/bin/python3")


def test_an_unknown_architecture_is_refused(sources: Path, tmp_path: Path) -> None:
    """Before anything is fetched."""
    wheel = tmp_path / "handrail-0.1.0-py3-none-any.whl"
    wheel.touch()
    order = [sources / "deploy/debian/build", wheel, tmp_path, "riscv64"]
    if not shutil.which("dpkg"):
        pytest.skip("this is no Debian")
    ran = subprocess.run(order, capture_output=True, text=True, check=False)
    assert ran.returncode == 2
    assert "riscv64 is not amd64 or arm64" in ran.stderr
