"""`handrail config`, and the configuration of a box: from a file, the environment and options."""

import os
import re
import signal
import subprocess
import sys
import tomllib
from datetime import timedelta
from pathlib import Path

import pytest

from clients.cli.configuration_file import write_configuration
from clients.cli.configured import openid_of
from session_controller.backup.backups import BackupPlan
from session_controller.configuration.reading import read
from session_controller.configuration.sections import known
from session_controller.configuration.toml_text import commented, with_values
from session_controller.errors import ConfigurationError
from session_controller.settings import CHOSEN, Settings
from tests.conftest import RunningBox
from tests.contract.raw import ROOT as TOPICS
from tests.contract.raw import Peer, on
from tests.waiting import turns, wait_until

from .conftest import Handrail, Serving


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where the data folder's configuration is."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder / "handrail.toml"


def _write(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o600)


def _shown(handrail: Handrail, *words: object) -> dict[str, tuple[str | None, str]]:
    values = handrail("config", "show", "--json", *words).json["values"]
    return {line["key"]: (line["value"], line["from"]) for line in values}


def test_a_later_source_comes_before_an_earlier_one(
    file: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Defaults, file, environment, options; and `config show` says which it was."""
    _write(file, '[sessions]\nidle_limit = "1h"\nscreen_lock = "2m"\n[log]\nlevel = "debug"\n')
    monkeypatch.setenv("HANDRAIL_SESSIONS_SCREEN_LOCK", "3m")
    monkeypatch.setenv("HANDRAIL_TLS_OFF", "true")
    found = _shown(handrail, "--data", file.parent)
    assert found["sessions.idle_limit"] == ("1h", "file")
    assert found["sessions.screen_lock"] == ("3m", "HANDRAIL_SESSIONS_SCREEN_LOCK")
    assert found["tls.off"] == ("true", "HANDRAIL_TLS_OFF")
    assert found["backup.every"] == ("6h", "default")
    assert found["site.name"] == (None, "default")
    passed = read(file, {"log": {"level": "error"}})
    assert (passed.sections.log.level, passed.sources["log.level"]) == ("error", "option")


def test_it_is_shown_in_a_table(file: Path, handrail: Handrail) -> None:
    """With the file, and whether a change needs a restart."""
    _write(file, '[retention]\ncompleted = "30d"\n')
    ran = handrail("config", "show", "--data", file.parent)
    assert re.search("retention.completed +30d +file +reload", ran.out)
    assert re.search("listen.mqtt +127.0.0.1:1883 +default +restart", ran.out)
    assert str(file) in ran.err


_OIDC = "[oidc]\nissuer = 'https://login.example'\nclient_id = 'box'\n"
FAULTS = {
    "[log]\nlevel = x\n": r"handrail.toml: is not TOML: .*\(at line 2,",
    "[listen]\nhtpp = 'x:1'": r"handrail.toml:2: \[listen\] htpp: unknown key; did you mean http\?",
    "[liste]\nhttp = 'x:1'": r"handrail.toml:1: \[liste\]: unknown section; did you mean listen\?",
    "listen = 5": r"handrail.toml: \[listen\]: must be a section",
    "[x]": r"\[x\]: unknown section; \[site\] \[listen\]",
    "[listen]\nhttp = '8080'": r":2: \[listen\] http: '8080' is not HOST:PORT, such as",
    "[listen]\nmqtt = 1883": r":2: \[listen\] mqtt: must be text in quotes",
    "[log]\n\n# a line\nlevel = 'loud'": r":4: \[log\] level: must be 'debug', 'info',",
    "[tls]\noff = 'perhaps'": r"\[tls\] off: must be true or false",
    "[tls]\nkey = 5": r"\[tls\] key: must be text in quotes: the name of a file",
    "[tls]\nkey = 'box.key'": "TLS requires both",
    "[backup]\nkeep = '1'": r"\[backup\] keep: '1' is not LAST,DAYS,WEEKS,MONTHS",
    "[sessions]\nidle_limit = 'soon'": "'soon' is not a span of time",
    "[site]\nname = 'Not A Site'": "a site's name must be 1 to 64 characters",
    "[site]\nhost = 'a b'": "'a b' is not a host name or an address",
    "[broker]\nurl = 'mqtt://u:sesame@h:1x'": "a broker's address must be like",
    "[metrics]\ntoken_file = 'gone'": r"cannot read the token in \S+/data/gone",
    "[oidc]\nissuer = 'http://login.example'": r":2: \[oidc\] issuer: is not encrypted",
    "[oidc]\nissuer = 'https://login.example?x'": "must not have a query or a fragment",
    "[oidc]\nissuer = 'https://login.example'": "oidc.issuer requires oidc.client_id",
    "[oidc]\nclient_id = 'box'": "oidc.client_id requires oidc.issuer",
    _OIDC + "claim = 'upn'": "people can change `upn` themselves; use sub",
    _OIDC + "claim = 'a b'": "must be the name of a claim",
    _OIDC + "name = ''": "must be text on one line, of at most 40 characters",
    _OIDC + "scopes = 'é'": "must be words separated by spaces",
    _OIDC + "client_secret_file = 'gone'": r"oidc.client_secret_file: cannot read \S+/data/gone",
    "\udcff": "handrail.toml: must be encoded in UTF-8",
}


@pytest.mark.parametrize("text", FAULTS)
def test_a_fault_is_named_with_its_place(text: str, file: Path, handrail: Handrail) -> None:
    """By `config check` and by `serve`, with exit code 2; a password is not repeated."""
    file.write_bytes(text.encode(errors="surrogateescape"))
    file.chmod(0o600)
    for command in (("config", "check", file), ("serve",), ("config", "check")):
        ran = handrail(*command, "--data", file.parent)
        assert ran.code == 2
        assert re.search(FAULTS[text], " ".join(ran.err.split())), ran.err
        assert "Traceback" not in ran.err
        assert "sesame" not in ran.err
    assert [path.name for path in file.parent.iterdir()] == ["handrail.toml"]


def test_a_pipe_is_refused(file: Path, handrail: Handrail) -> None:
    """To read it would wait for who writes to it, for ever; by `doctor` too."""
    file.unlink(missing_ok=True)
    os.mkfifo(file)
    for command in (("serve",), ("config", "check"), ("doctor",)):
        ran = handrail(*command, "--data", file.parent)
        assert ran.code == 2
        assert "handrail.toml: is a pipe" in " ".join((ran.out + ran.err).split())


def test_all_faults_are_named_at_once(file: Path, handrail: Handrail) -> None:
    """In the order of the file."""
    _write(file, "[log]\nlevel = 1\n[tls]\noff = 3\n[listen]\nx = 1\n")
    ran = handrail("config", "check", "--data", file.parent)
    assert re.findall(r"toml:(\d)", ran.err) == ["2", "4", "6"]


def test_a_variable_with_a_fault_is_named(
    handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An unknown one of a section, one without a key, and one with a wrong value."""
    for name, value, wanted in (
        ("HANDRAIL_LISTEN_HTPP", "h:1", "HANDRAIL_LISTEN_HTPP: unknown key; did you mean http?"),
        ("HANDRAIL_BROKER", "mqtt://u:sesame@h", "this section are HANDRAIL_BROKER_URL"),
        ("HANDRAIL_BACKUP_EVERY", "x", "HANDRAIL_BACKUP_EVERY: 'x' is not a span of time"),
    ):
        monkeypatch.setenv(name, value)
        ran = handrail("config", "show")
        monkeypatch.delenv(name)
        assert ran.code == 2
        assert wanted in " ".join(ran.err.split())
        assert "sesame" not in ran.err


def test_a_password_is_not_shown_and_not_for_all_to_read(file: Path, handrail: Handrail) -> None:
    """A file that holds one must be closed to others; without one it need not be."""
    _write(file, '[broker]\nurl = "mqtts://box:sesame@broker.example"\n')
    ran = handrail("config", "show", "--data", file.parent)
    assert "mqtts://broker.example" in ran.out
    assert "sesame" not in ran.out
    file.chmod(0o644)
    ran = handrail("config", "check", "--data", file.parent)
    assert ran.code == 2
    assert "contains a password (broker.url), and all users can read it" in ran.err
    assert "HANDRAIL_BROKER_URL" in ran.err
    file.write_text('[broker]\nurl = "mqtts://box@broker.example"\n')
    assert handrail("config", "check", "--data", file.parent).code == 0


def test_names_of_files_are_relative_to_the_file(file: Path) -> None:
    """In the file; where else, to the folder that a person is in."""
    _write(file, '[metrics]\ntoken_file = "token"\n')
    assert read(file).sections.metrics.token_file == file.parent / "token"


def test_the_file_that_is_created_explains_each_key_and_changes_nothing(
    file: Path, handrail: Handrail
) -> None:
    """Nor does it with each default in force; an existing file is not replaced."""
    assert handrail("config", "create", "--data", file.parent).code == 0
    text = file.read_text()
    assert tomllib.loads(text).keys() == {one.section for one in known()}
    assert read(file).chosen() == {}
    assert file.stat().st_mode & 0o777 == 0o600
    for one in known():
        assert text.count(f"\n#{one.name} = ") == len([k for k in known() if k.name == one.name])
    in_force = commented({one.path: one.default for one in known() if one.default is not None})
    file.write_text(in_force)
    assert read(file).chosen() == {}
    assert len(read(file).sources) == len([one for one in known() if one.default is not None])
    ran = handrail("config", "create", "--data", file.parent)
    assert (ran.code, file.read_text()) == (2, in_force)
    assert handrail("config", "create", "--data", file.parent, "--force").code == 0
    assert file.read_text() == text


def test_each_example_of_the_file_is_valid(tmp_path: Path) -> None:
    """What a line shows can be put in force."""
    for one in known():
        if one.said.example is not None:
            _write(tmp_path / "one.toml", commented({one.path: one.said.example}))
            assert one.path in read(tmp_path / "one.toml").sources


def test_the_provider_of_staff_is_read_from_its_section(tmp_path: Path) -> None:
    """`openid` is always asked for, and `email` where it identifies."""
    file = tmp_path / "handrail.toml"
    _write(file, _OIDC)
    found = openid_of(read(file).sections)
    assert found is not None
    assert (found.claim, found.scopes, found.secret_file) == ("sub", ("openid",), None)
    assert found.reauthenticate
    _write(file, _OIDC + "claim = 'email'\nscopes = 'profile openid'\nclient_secret_file = 's'\n")
    (tmp_path / "s").touch()
    found = openid_of(read(file).sections)
    assert found is not None
    assert found.scopes == ("openid", "profile", "email")
    assert found.secret_file == tmp_path / "s"
    _write(file, "")
    assert openid_of(read(file).sections) is None


def test_a_value_is_changed_and_the_rest_of_a_file_stays() -> None:
    """Comments too; a key that is commented out is put in force where it is."""
    text = '# mine\n[listen]\nmqtt = "h:1" # why\n#http = "h:2"\n\n[other]\nmqtt = "x"\n'
    changed = with_values(text, {"listen.mqtt": "h:3", "listen.http": "h:4", "site.name": "a"})
    assert changed == (
        '# mine\n[listen]\nmqtt = "h:3"\nhttp = "h:4"\n\n[other]\nmqtt = "x"\n'
        '\n[site]\nname = "a"\n'
    )
    with pytest.raises(ConfigurationError, match="by hand"):
        with_values('listen = {mqtt = "h:1"}\n', {"listen.mqtt": "h:3"})


def test_a_file_that_is_named_must_exist(
    tmp_path: Path, handrail: Handrail, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A wrong name must not start a box with the defaults; of another box it does not count."""
    missing = tmp_path / "missing.toml"
    for words in (("serve",), ("config", "check"), ("config", "show")):
        ran = handrail(*words, "--config", missing)
        assert ran.code == 2
        assert "missing.toml does not exist" in ran.err
    monkeypatch.setenv("HANDRAIL_CONFIG", str(missing))
    monkeypatch.setenv("HANDRAIL_DATA", str(tmp_path / "box"))
    assert handrail("config", "show").code == 2
    assert handrail("config", "show", "--data", tmp_path / "other").code == 0


def test_it_is_written_for_its_reader(tmp_path: Path) -> None:
    """No draft is left; a folder that does not exist is named."""
    write_configuration(tmp_path / "a.toml", tmp_path, "[log]\n")
    assert [path.name for path in tmp_path.iterdir()] == ["a.toml"]


def test_a_box_applies_a_change_and_drops_no_screen(file: Path, handrail: Handrail) -> None:
    """SIGHUP: what can change does, what cannot waits for a restart; a fault changes nothing."""
    _write(file, '[sessions]\nscreen_lock = "5m"\n')
    with Serving(file.parent, "--config", str(file)) as serving:
        made = handrail(
            "device", "enrol", "x", "--role", "patient", "--data", file.parent, "--json"
        )
        screen = Peer(serving.port, made.json["device"], made.json["device"], made.json["secret"])
        screen.connect()
        screen.subscribe(f"{TOPICS}/controller/status")
        status = on(f"{TOPICS}/controller/status")
        assert screen.wait(status).json["screen_lock_s"] == 300

        _write(file, '[sessions]\nscreen_lock = "7m"\n[site]\nhost = "new.local"\n')
        serving.process.send_signal(signal.SIGHUP)
        screen.wait(lambda m: status(m) and m.json["screen_lock_s"] == 420)
        _logs(serving, "the configuration changed: sessions.screen_lock is 7m")
        _logs(serving, "restart the box to apply what changed: site.host")

        _write(file, '[sessions]\nscreen_lock = "9m"\n[log]\nlevel = "loud"\n')
        serving.process.send_signal(signal.SIGHUP)
        _logs(serving, "the configuration is not reloaded, all stays as it was")
        assert "9m" not in serving.log.read_text()

        _write(file, '[log]\nlevel = "error"\n')
        serving.process.send_signal(signal.SIGHUP)
        screen.wait(lambda m: status(m) and m.json["screen_lock_s"] == 600)
        assert not screen.closed.is_set()
        assert serving.end() == 0
    assert "box stopping" not in serving.log.read_text()
    assert "Traceback" not in serving.log.read_text()


async def test_what_is_applied_is_used_by_all_parts(async_box: RunningBox) -> None:
    """Sessions, retention, backups, checks; and a temporary box and a restore know it later."""
    box, store = async_box.box, async_box.box._store
    assert box._service is not None
    assert box._backups is not None
    assert store is not None
    changed = Settings(site="x", screen_lock=timedelta(hours=3), purge_cancelled=timedelta(0))
    box.apply(changed, BackupPlan(every=timedelta(days=1)), {"backup.every": "1d"})
    assert box._service.registry.settings.screen_lock == timedelta(hours=3)
    assert box._service.registry.settings.site == "main"
    assert box._checks.start.screen_lock == timedelta(hours=3)
    assert box._backups.plan.every == timedelta(days=1)
    await turns()  # it is stored in the store's turn, and so is read after it
    names = ("screen_lock_s", CHOSEN)
    found = await box._service._in_the_stores_turn(lambda: [store.meta(name) for name in names])
    assert found == ["10800", '{"backup.every": "1d"}']
    assert box._service._background.retention.settings.purge_cancelled == timedelta(0)


def _logs(serving: Serving, sentence: str) -> None:
    wait_until(lambda: sentence in serving.log.read_text(), f"the log says {sentence!r}")


def test_a_restore_brings_the_file_back(file: Path, tmp_path: Path, handrail: Handrail) -> None:
    """With its password, which is nowhere in the backup but among its keys."""
    _write(file, '[broker]\nurl = "mqtts://box:sesame@broker.example"\n')
    enrol = ("device", "enrol", "Desk", "--role", "facility")
    assert handrail(*enrol, "--data", file.parent).code == 0
    assert handrail("backup", "--to", tmp_path / "copy", "--data", file.parent).code == 0
    copied = [path for path in (tmp_path / "copy").rglob("*") if path.is_file()]
    assert [path for path in copied if b"sesame" in path.read_bytes()] == []
    ran = handrail("restore", tmp_path / "copy", "--data", tmp_path / "there")
    assert ran.code == 0, ran.err
    assert (tmp_path / "there" / "handrail.toml").read_text() == file.read_text()


_LOADED = "import sys, atexit; atexit.register(lambda: print(*sys.modules)); import cli; cli.main()"


def test_a_command_that_needs_no_configuration_does_not_load_it(tmp_path: Path) -> None:
    """It costs a tenth of a second."""
    words = ("device", "enrol", "Desk", "--role", "facility", "--data", tmp_path / "data")
    order = [sys.executable, "-P", "-c", _LOADED, *words]
    loaded = subprocess.run(order, capture_output=True, text=True, check=True).stdout.split()
    assert "pydantic" in loaded
    assert "pydantic_settings" not in loaded
