"""`handrail broker`: the rules file, passwords, and the program itself."""

import asyncio
import os
import re
import shutil
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker import Broker, Credentials, Identity
from broker.standalone.commands import app
from broker.standalone.passwords import PasswordHash, hash_password
from broker.standalone.rules_file import RulesFileError, load_rules_file
from broker.standalone.serve import reload
from broker.standalone.users import Users

from .certificates import Certificates, make
from .support import Peer, connect_packet, subscribe_packet

SECRET = hash_password(b"secret")
FILE = f"""\
listeners:
  mqtt: {{port: 0}}
  web: {{port: 0, kind: http}}
users:
  alice: {{password: "{SECRET}", role: staff}}
  bob: {{password: "{SECRET}", role: staff, client_id: bobs-tablet}}
anonymous: {{role: guest}}
roles:
  staff: {{publish: ["#"], subscribe: ["#", "$SYS/#"]}}
  guest: {{subscribe: ["#"], deny_subscribe: ["test/nosubscribe"]}}
limits: {{packet_bytes: 70000, connect_seconds: 2.5}}
"""


def write(folder: Path, text: str) -> Path:
    """Write a rules file."""
    path = folder / "rules.yaml"
    path.write_text(text)
    return path


def test_a_rules_file_says_what_it_says(tmp_path: Path) -> None:
    """Every section ends up in the settings and rules of the broker."""
    file = load_rules_file(write(tmp_path, FILE))
    settings = file.settings(tmp_path)
    assert settings.listeners["web"].kind == "http"
    assert settings.listeners["mqtt"].host == "127.0.0.1"
    assert (settings.limits.packet_bytes, settings.limits.connect_seconds) == (70_000, 2.5)
    assert isinstance(settings.limits.packet_bytes, int)
    assert file.rules()["guest"].deny_subscribe == ("test/nosubscribe",)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "role: guest",
            "role: gust",
            r":1: the file: anonymous.role: role 'gust' is not defined under roles",
        ),
        ('["#", "$SYS/#"]', '["a#"]', r":9: roles.staff: not a valid topic filter: 'a#'"),
        ("port: 0, kind", "port: 99999, kind", r":3: listeners.web.port: .*65535"),
        ("kind: http", "kind: ftp", r":3: listeners.web.kind: .*'mqtt' or 'http'"),
        pytest.param(SECRET, "secret", r":5: users.alice.password: not a scrypt hash", id="hash"),
        ("packet_bytes", "packet_size", r":11: limits: packet_size is not a limit"),
        ("70000", "-1", r":11: limits: packet_bytes must be greater than 0"),
        ("limits:", "limit:", r":11: limit: Extra inputs"),
        ("  guest:", "  staff:", r":10: duplicate key staff"),
        ("users:", "users: [", r"invalid YAML"),
        ("alice", "anonymous", r"users: 'anonymous' is reserved for clients"),
    ],
)
def test_a_faulty_rules_file_is_refused_with_the_place(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    """A fault is told with file, line and path, and never with a password hash."""
    path = write(tmp_path, FILE.replace(old, new, 1))
    with pytest.raises(RulesFileError) as raised:
        load_rules_file(path)
    assert re.search(complaint, str(raised.value)), str(raised.value)
    assert str(path) in str(raised.value)
    assert SECRET not in str(raised.value)


def test_a_missing_rules_file_is_told(tmp_path: Path) -> None:
    """A file that is not there is an error with its name."""
    with pytest.raises(RulesFileError, match=r"rules\.yaml: No such file"):
        load_rules_file(tmp_path / "rules.yaml")


def test_a_password_matches_its_hash_only() -> None:
    """A hash matches its password and no other, and two hashes of one password differ."""
    assert PasswordHash.parse(SECRET).matches(b"secret")
    assert not PasswordHash.parse(SECRET).matches(b"Secret")
    assert hash_password(b"secret") != SECRET


@pytest.mark.parametrize(
    "text",
    ["", "secret", "scrypt$1$8$1$aa$aa", "scrypt$1048576$8$1$aa$aa", "scrypt$16384$99$1$aa$aa",
     "scrypt$x$8$1$aa$aa", "scrypt$16384$8$1$?$aa"],
)  # fmt: skip
def test_what_is_no_hash_is_refused(text: str) -> None:
    """A hash that is malformed or too costly for a small box is refused."""
    with pytest.raises(ValueError, match=r"."):
        PasswordHash.parse(text)


async def _ask(users: Users, name: str | None, password: bytes | None) -> Identity | None:
    return await users.authenticate(Credentials("c", name, password, "a"))


async def test_users_are_who_the_file_says(tmp_path: Path) -> None:
    """A right password gives the user's identity, all else none; anonymous as the file says."""
    users = Users(load_rules_file(write(tmp_path, FILE)))
    assert await _ask(users, "bob", b"secret") == Identity("bob", "staff", "bobs-tablet")
    assert await _ask(users, "bob", b"wrong") is None
    assert await _ask(users, "bob", b"secret") == Identity("bob", "staff", "bobs-tablet")
    assert await _ask(users, "bob", None) is None
    assert await _ask(users, "mallory", b"secret") is None
    assert await _ask(users, None, None) == Identity("anonymous", "guest")
    closed = FILE.replace("anonymous: {role: guest}\n", "")
    users.replace_file(load_rules_file(write(tmp_path, closed)))
    assert await _ask(users, None, None) is None


async def test_checks_of_one_password_are_shared(tmp_path: Path) -> None:
    """A thousand clients of one user that come at once cost one check."""
    users = Users(load_rules_file(write(tmp_path, FILE)))
    async with asyncio.timeout(5):
        got = await asyncio.gather(*(_ask(users, "alice", b"secret") for _ in range(1_000)))
    assert set(got) == {Identity("alice", "staff")}
    assert users._checking == {}


def test_the_commands_help_themselves(tmp_path: Path) -> None:
    """Each command has help with an example, and `check` and `hash-password` do what they say."""
    cli = CliRunner()
    for command in ("run", "check", "hash-password"):
        assert "Example: handrail broker" in cli.invoke(app, [command, "--help"]).output
    valid = cli.invoke(app, ["check", str(write(tmp_path, FILE))])
    assert (valid.exit_code, "valid" in valid.output) == (0, True)
    bad = cli.invoke(app, ["check", str(write(tmp_path, "roles: 1"))])
    assert bad.exit_code == 2
    hashed = cli.invoke(app, ["hash-password"], input="secret\n")
    assert PasswordHash.parse(hashed.output.strip()).matches(b"secret")
    assert cli.invoke(app, ["hash-password"], input="\n").exit_code == 2
    assert cli.invoke(app, ["run", str(tmp_path / "none.yaml")]).exit_code == 2


class Program:
    """The program in its own process."""

    def __init__(self, process: asyncio.subprocess.Process, ready: str) -> None:
        self.process = process
        self.ready = ready
        pairs = re.findall(r"(\w+) (127\.0\.0\.1):(\d+)", ready)
        self.addresses = {name: (host, int(port)) for name, host, port in pairs}


@asynccontextmanager
async def program(path: Path) -> AsyncIterator[Program]:
    """Run the program until the test is done."""
    code = "from broker.standalone.commands import app; app()"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, "run", str(path), cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            yield Program(process, (await process.stdout.readline()).decode())
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _open(running_: Program, *packets: bytes) -> Peer:
    peer = Peer(*await asyncio.open_connection(*running_.addresses["mqtt"]))
    peer.send(*packets)
    return peer


async def test_the_program_serves_reloads_and_stops(tmp_path: Path) -> None:
    """It says when it is ready, reads users and roles again on SIGHUP, and stops on SIGTERM."""
    path = write(tmp_path, FILE)
    async with program(path) as serving:
        assert "ready" in serving.ready
        assert set(serving.addresses) == {"mqtt", "web"}
        alice = await _open(serving, connect_packet("a", user="alice", password=b"secret"))
        assert (await alice.expect(2)).body == b"\0\0"
        guest = await _open(serving, connect_packet("g"), subscribe_packet(("test/nosubscribe", 0)))
        assert (await guest.expect(2)).body == b"\0\0"
        assert (await guest.expect(9)).body[2:] == b"\x80"
        write(tmp_path, "nonsense")
        serving.process.send_signal(signal.SIGHUP)
        await guest.nothing_more()
        write(tmp_path, FILE.replace("anonymous: {role: guest}\n", "").replace('"test/no', '"x/no'))
        serving.process.send_signal(signal.SIGHUP)
        await guest.closed()
        again = await _open(serving, connect_packet("g"))
        assert (await again.expect(2)).body == b"\0\5"
        await alice.nothing_more()
        serving.process.send_signal(signal.SIGTERM)
        await alice.closed()
        assert await serving.process.wait() == 0
        await again.drop()


async def test_the_program_tells_of_a_taken_port(tmp_path: Path) -> None:
    """An address in use is an error message and exit code 3."""
    path = write(tmp_path, FILE)
    async with program(path) as first:
        port = first.addresses["mqtt"][1]
        write(tmp_path, FILE.replace("mqtt: {port: 0}", f"mqtt: {{port: {port}}}"))
        async with program(path) as second:
            assert second.ready == ""
            assert await second.process.wait() == 3


def test_the_rules_files_of_the_documentation_are_accepted(tmp_path: Path) -> None:
    """Those of docs/reference/broker.md."""
    text = (Path(__file__).parents[2] / "docs" / "reference/broker.md").read_text()
    examples = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        load_rules_file(write(tmp_path, example.replace("scrypt$16384$8$1$…", SECRET)))


async def test_a_reload_reads_certificates_again(
    tmp_path: Path, certs: Certificates, caplog: pytest.LogCaptureFixture
) -> None:
    """New connections get the new one; one that does not fit its key is logged and not used."""
    folder = tmp_path / "tls"
    shutil.copytree(certs.folder, folder)
    tls = f"tls: {{certificate: {folder}/server.pem, key: {folder}/server.key}}"
    path = write(tmp_path, FILE.replace("mqtt: {port: 0}", f"mqtt: {{port: 0, {tls}}}"))
    file = load_rules_file(path)
    users = Users(file)
    broker = Broker(file.settings(tmp_path), authenticate=users.authenticate, rules=file.rules())
    await broker.start()
    try:
        shutil.copy(folder / "client.pem", folder / "server.pem")
        reload(path, users, broker)
        assert "certificates not reloaded" in caplog.text
        peer = await Peer.open(broker, ssl=certs.client_context())
        await peer.drop()
        (tmp_path / "new").mkdir()
        new = make(tmp_path / "new")
        for name in ("server.pem", "server.key"):
            shutil.copy(new.folder / name, folder / name)
        reload(path, users, broker)
        peer = await Peer.open(broker, ssl=new.client_context())
        await peer.drop()
    finally:
        await broker.stop()
