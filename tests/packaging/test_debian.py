"""The package for Debian is all that a box needs, and leaves what patients entered."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.machine import find, free_port, require

from .conftest import MINUTES, environment, find_uv, runner

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * MINUTES)]

_IN_A_COPY_OF_THE_SYSTEM = """
set -e
# A disk that another test unmounts must not stay in use here: this has a copy of all mounts.
sed -n 's|^/dev/loop[0-9]* \\([^ ]*\\) .*|\\1|p' /proc/self/mounts | while read -r disk; do
    umount "$disk"
done
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --bind /dev "$1/root/dev"
mount --bind "$2" "$1/root/mnt"
rm -f "$1/root/var/lib/man-db/auto-update"
exec chroot "$1/root" /bin/sh -e /mnt/try
"""
"""Runs the script `try` of folder $2 where whatever it changes is gone at its end."""

_TRY = """
cd /root
PATH=/root/bin:/usr/sbin:/usr/bin:/sbin:/bin
export PATH
say() { echo "== $1"; }

# A systemd that says only what it is asked for; the unit is enabled once /root/enabled exists.
mkdir -p /run/systemd/system /root/bin
cat >/root/bin/systemctl <<'EOF'
#!/bin/sh
echo "systemctl $*" >>/root/asked
case "$*" in
    *is-enabled*) test ! -e /root/enabled || echo enabled ;;
    *is-active*) false ;;
esac
EOF
chmod 755 /root/bin/systemctl
rm -f /usr/sbin/policy-rc.d

say install
dpkg -i /mnt/*.deb
dpkg --verify handrail
say asked
cat /root/asked
rm /root/asked
say upgrade
touch /root/enabled
dpkg -i /mnt/*.deb >/dev/null
cat /root/asked
say version
handrail --version
say unconfigured
setpriv --reuid handrail --regid handrail --init-groups handrail serve 2>&1 || echo "exit code $?"
say configured
handrail setup --yes --name clinic-a --host 127.0.0.1 --http 127.0.0.1:PORT --mqtt 127.0.0.1:PORT \
    --http-redirect 127.0.0.1:PORT --json
stat -c '%a %U %G' /etc/handrail/handrail.toml
handrail config show
say serve
cat >/tmp/start <<'EOF'
cd /var/lib/handrail
umask 077
. /etc/handrail/serve.env
export HANDRAIL_DATA=/var/lib/handrail
exec /usr/bin/handrail serve
EOF
mkfifo /tmp/ready
# As systemd does: what the unit says, as its user, with the environment that root reads.
chmod 644 /etc/handrail/serve.env
setpriv --reuid handrail --regid handrail --init-groups --no-new-privs --bounding-set=-all \
    sh -e /tmp/start >/tmp/ready &
read -r line </tmp/ready
echo "$line"
handrail simulate quick-check-in --data /var/lib/handrail
find /var/lib/handrail ! -user handrail
kill "$!"
wait "$!"
say remove
chmod 600 /etc/handrail/serve.env
dpkg -r handrail
ls /etc/handrail/serve.env
ls /opt/handrail 2>&1 || true
say purge
dpkg -P handrail
ls -d /etc/handrail 2>&1 || true
ls /var/lib/handrail
"""


@pytest.fixture(scope="module")
def package(sources: Path) -> Path:
    """Return the package that `./run package` builds."""
    require("dpkg-deb")
    if not Path("/usr/bin/python3").exists():
        pytest.skip("the system has no Python of its own")
    programs = f"{Path(find_uv()).absolute().parent}:{os.environ['PATH']}"
    runner(sources / "run", sources, PATH=programs)("package", sources.parent / "out")
    (found,) = (sources.parent / "out").iterdir()
    return found


def _field(package: Path, name: str) -> str:
    order = ["dpkg-deb", "--field", package, name]
    return subprocess.run(order, capture_output=True, text=True, check=True).stdout.strip()


def test_the_package_says_what_it_needs(package: Path) -> None:
    """The Python that it was compiled for, and no later one; its name has version and machine."""
    machine = _field(package, "Architecture")
    assert package.name == f"handrail_{_field(package, 'Version')}_{machine}.deb"
    minor = subprocess.check_output(
        ["/usr/bin/python3", "-c", "import sys; print(sys.version_info[1])"], text=True
    )
    assert f"python3 (>= 3.{int(minor)})" in _field(package, "Depends")
    assert f"python3 (<< 3.{int(minor) + 1})" in _field(package, "Depends")


_UNCHECKED = b"\x01\0\0\0"
"""The flags of bytecode that is used whatever the time of its source is (PEP 552)."""


def test_nothing_in_the_package_is_of_the_machine_that_built_it(
    package: Path, tmp_path: Path
) -> None:
    """No path of it, everything root's, and each module compiled."""
    listed = subprocess.check_output(["dpkg-deb", "--contents", package], text=True)
    assert {line.split()[1] for line in listed.splitlines()} == {"root/root"}
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    built = (str(package.parent.parent).encode(), str(ROOT).encode(), b"/tmp/tmp.")
    files = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert [str(f) for f in files for place in built if place in f.read_bytes()] == []
    (installed,) = (tmp_path / "opt/handrail/lib").glob("python3*/site-packages")
    for name in ("cli.py", "broker", "clients", "schemas", "session_controller", "pydantic"):
        for source in [installed / name, *(installed / name).rglob("*.py")]:
            if source.is_file():
                (compiled,) = source.parent.glob(f"__pycache__/{source.stem}.*.pyc")
                assert compiled.read_bytes()[4:8] == _UNCHECKED


def test_the_unit_is_valid(package: Path, tmp_path: Path) -> None:
    """Also to systemd, where it is there; it serves as its own user, with the file's settings."""
    subprocess.run(["dpkg-deb", "--extract", package, tmp_path], check=True)
    unit = tmp_path / "usr/lib/systemd/system/handrail.service"
    said = unit.read_text()
    for line in (
        "Type=notify",
        "User=handrail",
        "StateDirectory=handrail",
        "Environment=HANDRAIL_CONFIG=/etc/handrail/handrail.toml",
        "EnvironmentFile=-/etc/handrail/serve.env",
        "ExecStart=/usr/bin/handrail serve",
        "ExecReload=/bin/kill -HUP $MAINPID",
        "CapabilityBoundingSet=",
    ):
        assert f"\n{line}\n" in said
    if analyze := find("systemd-analyze"):
        order = [analyze, "security", "--offline=true", "--threshold=20", unit]
        subprocess.run(order, check=True, capture_output=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can install a package")
def test_a_box_from_install_to_purge(package: Path, tmp_path: Path) -> None:
    """A check-in as the unit's user, with commands of root; a purge keeps what was entered."""
    unshare, _, _ = require("unshare", "mount", "setpriv")
    (package.parent / "try").write_text(re.sub("PORT", lambda _: str(free_port()), _TRY))
    ran = subprocess.run(
        [unshare, "--mount", "sh", "-c", _IN_A_COPY_OF_THE_SYSTEM, "sh", tmp_path, package.parent],
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    if "mount: " in ran.stderr:
        pytest.skip(f"no file system can be mounted here: {ran.stderr}")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    did = dict(part.split("\n", 1) for part in ran.stdout.split("== ")[1:])
    assert "sudo handrail setup" in did["install"]
    assert "systemctl --system daemon-reload" in did["asked"]
    assert " start " not in did["asked"]
    assert re.findall("(stop|start) handrail.service", did["upgrade"]) == ["stop", "start"]
    assert did["version"] == f"handrail {_field(package, 'Version')}\n"
    assert "/etc/handrail/handrail.toml does not exist" in did["unconfigured"]
    assert "exit code 2" in did["unconfigured"]
    assert "640 root handrail" in did["configured"]
    assert re.search(r"listen.mqtt +127.0.0.1:\d+ +file", did["configured"])
    assert did["configured"].count('"code": ') == 2
    assert "https://127.0.0.1:" in did["serve"]
    assert "handrail ready: " in did["serve"]
    assert "1 completed" in did["serve"]
    assert "/var/lib/handrail/" not in did["serve"]  # a file that is not the user's
    assert "/etc/handrail/serve.env" in did["remove"]
    assert "cannot access '/opt/handrail'" in did["remove"]
    assert "cannot access '/etc/handrail'" in did["purge"]
    assert "handrail.sqlite" in did["purge"]
    assert "kept what patients entered" in ran.stderr
