"""`handrail key recovery`, and restores with the key on paper."""

import base64
import json
import os
import pty
import select
import shutil
import subprocess
import time
from pathlib import Path

import pytest

from session_controller.backup.elsewhere import copy_backup
from session_controller.errors import StoreError
from session_controller.security.recovery import BY_BOX, RecoveryKey

from .conftest import PROGRAM, Handrail

TOKEN = "sesame-open-the-gate"


class Clinic:
    """A box with TLS of its own and a destination, whose token is in the data folder."""

    def __init__(self, home: Path, handrail: Handrail) -> None:
        self.data, self.copy, self._handrail = home / "data", home / "stick" / "box", handrail
        self.papers = home / "papers"
        self.papers.mkdir()
        self.run("device", "enrol", "Desk", "--role", "facility")
        self.run("tls", "create", "--name", "clinic.local")
        token = self.data / "ehr.token"
        token.write_text(TOKEN)
        self.run("deliver", "add", "ehr", "--fhir", "http://127.0.0.1:1", "--token-file", token)
        self.key = self.make_key()

    def make_key(self, *options: str) -> Path:
        """Make a recovery key, and write it on paper as it is printed."""
        paper = self.papers / str(len(list(self.papers.iterdir())))
        paper.write_text(self.run("key", "recovery", "create", *options))
        text = paper.read_text()
        paper.write_text(text[: text.index("recipient")].lower())
        return paper

    def run(self, *arguments: object, data: Path | None = None) -> str:
        """Run a command that succeeds, and return what it printed."""
        ran = self._handrail(*arguments, "--data", data or self.data)
        assert ran.code == 0, ran.err
        return ran.out

    def copied(self) -> Path:
        """Back up, and copy the backup elsewhere."""
        self.run("backup", "--to", self.copy)
        return self.copy

    @property
    def signer(self) -> tuple[str, str]:
        """The option that names the box, as on the sheet."""
        return "--signed-by", json.loads(self.run("key", "show", "--json"))["fingerprint"]

    @property
    def secrets(self) -> dict[str, bytes]:
        """What must be nowhere in clear."""
        names = ["box.key", "ehr.token", "tls/box.key"]
        found = {name: (self.data / name).read_bytes() for name in names}
        admins = json.loads((self.data / "admin.json").read_text())
        return found | {name: secret.encode() for name, secret in admins.items()}


@pytest.fixture
def clinic(tmp_path: Path, handrail: Handrail) -> Clinic:
    """A box with a recovery key."""
    return Clinic(tmp_path, handrail)


def clear_in(folder: Path, secrets: dict[str, bytes]) -> set[str]:
    """Return which secrets are in files below a folder, in any way that they are written."""
    content = b"\0".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())
    found = set[str]()
    for name, secret in secrets.items():
        encoded = base64.b64encode(secret).rstrip(b"=")[:-1]
        if any(each in content for each in (secret, encoded, secret.hex().encode())):
            found.add(name)
    return found


def test_backups_have_no_secret_in_clear(clinic: Clinic, handrail: Handrail) -> None:
    """Neither those in the data folder, with their keys, nor a copy with its keys."""
    copy = clinic.copied()
    assert clear_in(clinic.data / "backups", clinic.secrets) == set()
    assert clear_in(copy.parent, clinic.secrets) == set()
    assert clear_in(clinic.data, clinic.secrets) == clinic.secrets.keys(), "the search finds them"
    key = RecoveryKey.read(clinic.key.read_text()).text
    assert clear_in(clinic.data, {"recovery": key.encode(), "identity": key[16:].encode()}) == set()
    bare = handrail("restore", copy, "--data", clinic.data.parent / "thief")
    assert bare.code == 2
    assert "--recovery-key-file" in bare.err


def test_another_machine_restores_with_the_recovery_key(clinic: Clinic, handrail: Handrail) -> None:
    """All secrets are there again, and the box goes on."""
    copy, there, signer = clinic.copied(), clinic.data.parent / "there", clinic.signer
    before = clinic.secrets | {n: (clinic.data / n).read_bytes() for n in ("tls/ca.key",)}
    shutil.rmtree(clinic.data)
    order = ("restore", copy, "--recovery-key-file", clinic.key, *signer, "--data", there)
    ran = handrail(*order, "--json")
    assert ran.code == 0, ran.err
    assert ran.json["by_hand"] == []
    assert ran.json["signed_by"] == signer[1]
    clinic.data = there
    assert clinic.secrets.items() <= before.items()
    assert (there / "tls/ca.key").read_bytes() == before["tls/ca.key"]
    assert all(path.stat().st_mode & 0o077 == 0 for path in there.rglob("*") if path.is_file())
    assert [one["name"] for one in json.loads(clinic.run("device", "list", "--json"))] == ["Desk"]
    clinic.run("tls", "renew")
    clinic.run("backup")
    assert clear_in(there / "backups", clinic.secrets) == set(), "the recovery key came along"
    clinic.run("key", "recovery", "verify", "--recovery-key-file", clinic.key)


def test_the_box_itself_needs_no_paper(clinic: Clinic) -> None:
    """Its own key opens what is sealed, here and in a copy; also what a file lost."""
    copy = clinic.copied()
    before = clinic.secrets
    for name in ("ehr.token", "tls/box.key", "admin.json"):
        (clinic.data / name).unlink()
    clinic.run("restore", clinic.data / "backups")
    assert clinic.secrets == before
    clinic.run("restore", copy)


def test_a_wrong_key_changes_nothing(clinic: Clinic, handrail: Handrail, tmp_path: Path) -> None:
    """A mistyped one is refused by its checksum, another one is named; both before all else."""
    copy, there = clinic.copied(), tmp_path / "there"
    text = RecoveryKey.read(clinic.key.read_text()).text
    paper = tmp_path / "paper"
    paper.write_text(text[:-1] + ("Q" if text[-1] != "Q" else "P"))
    other = RecoveryKey.create()
    for content, code, told in (
        (paper.read_text(), 2, "at least one character is wrong"),
        (text[:-2], 2, "has 56 characters"),
        (other.text, 1, f"the recovery key of {other.recipient}; the backup needs that of age1"),
    ):
        paper.write_text(content)
        ran = handrail("restore", copy, "--recovery-key-file", paper, "--data", there)
        assert (ran.code, told in ran.err) == (code, True), ran.err
        assert not list(there.glob("*.sqlite")) + list(there.glob("box.key"))
        assert text[16:40] not in ran.err + ran.out
    ran = handrail("restore", copy, "--recovery-key-file", tmp_path / "none", "--data", there)
    assert ran.code == 2
    assert "No such file" in ran.err


def test_a_key_is_read_from_standard_input(clinic: Clinic, tmp_path: Path) -> None:
    """So that it comes from a password store without a file."""
    there = ["--data", str(tmp_path / "there")]
    order = ["restore", str(clinic.copied()), "--recovery-key-file", "-", *clinic.signer, *there]
    subprocess.run([*PROGRAM, *order], input=clinic.key.read_bytes(), check=True, timeout=60)


def test_a_person_is_asked_and_sees_nothing_of_it(clinic: Clinic, tmp_path: Path) -> None:
    """At a terminal; after a mistyped one again; then for the fingerprint, and never shown it."""
    copy, (_, signer) = clinic.copied(), clinic.signer
    text = RecoveryKey.read(clinic.key.read_text()).text
    main, terminal = pty.openpty()
    order = [*PROGRAM, "restore", str(copy), "--data", str(tmp_path / "there")]
    with subprocess.Popen(
        order, stdin=terminal, stdout=terminal, stderr=terminal, start_new_session=True
    ) as process:
        os.close(terminal)
        said = until(main, "while you type): ")
        assert "the recovery key of age1" in said
        os.write(main, text[:-4].encode() + b"\n")
        said += until(main, "while you type): ")
        assert "characters after" in said
        os.write(main, text.lower().encode() + b"\n")
        said += until(main, "Fingerprint of the box: ")
        assert signer not in said
        os.write(main, signer.lower().replace("-", " ").encode() + b"\n")
        said += until(main, "restored 0 sessions")
        assert process.wait(30) == 0
    os.close(main)
    assert text[20:40].lower() not in said.lower()


def until(terminal: int, wanted: str) -> str:
    """Read what a program prints until something appears."""
    said, deadline = "", time.monotonic() + 30
    while wanted not in said:
        assert select.select([terminal], [], [], deadline - time.monotonic())[0], said
        said += os.read(terminal, 4096).decode()
    return said


def test_a_new_key_replaces_the_former(clinic: Clinic, handrail: Handrail, tmp_path: Path) -> None:
    """For all backups in the data folder, but not for a copy that was made before."""
    copy, former = clinic.copied(), clinic.key
    refused = handrail("key", "recovery", "create", "--data", clinic.data)
    assert refused.code == 1
    assert "--force" in refused.err
    ran = handrail("key", "recovery", "create", "--force", "--json", "--data", clinic.data)
    assert RecoveryKey.read(former.read_text()).recipient in ran.err
    new = tmp_path / "new"
    new.write_text(ran.json["recovery_key"])
    verify = ("key", "recovery", "verify", "--data", clinic.data, "--recovery-key-file")
    assert handrail(*verify, former).code == 1
    assert handrail(*verify, new).code == 0
    shown = json.loads(clinic.run("key", "recovery", "show", "--json"))
    assert shown["opens"] == shown["backups"] == 3
    assert shown["recipient"] == ran.json["recipient"]
    assert shown["verified_at"]
    there = ("--data", tmp_path / "there", *clinic.signer)
    assert handrail("restore", copy, "--recovery-key-file", new, *there).code == 1
    assert handrail("restore", copy, "--recovery-key-file", former, *there).code == 0
    assert handrail("restore", copy, "--data", clinic.data).code == 0
    shown = json.loads(clinic.run("key", "recovery", "show", "--json"))
    assert shown["recipient"] == ran.json["recipient"], "the paper of the former may be gone"


def test_a_rotation_seals_again(clinic: Clinic, handrail: Handrail) -> None:
    """Backups here open with the new box key and the paper; an older copy with the paper alone."""
    copy, old = clinic.copied(), (clinic.data / "box.key").read_bytes()
    clinic.run("key", "rotate")
    assert clear_in(clinic.data / "backups", clinic.secrets | {"old": old}) == set()
    clinic.run("key", "recovery", "verify", "--recovery-key-file", clinic.key)
    clinic.run("restore", clinic.data / "backups")
    ran = handrail("restore", copy, "--data", clinic.data)
    assert ran.code == 2
    assert "the recovery key of age1" in ran.err
    clinic.run("restore", copy, "--recovery-key-file", clinic.key)
    assert (clinic.data / "box.key").read_bytes() == old
    clinic.run("backup")  # wraps the keys of all backups with the key that is back
    clinic.run("restore", clinic.data / "backups")
    clinic.run("audit", "verify", "--all")


def test_a_box_key_from_outside_is_sealed_too(
    clinic: Clinic, handrail: Handrail, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where it is given again, it stays outside; where it is not, a person is told."""
    key = (clinic.data / "box.key").read_bytes()
    (clinic.data / "box.key").unlink()
    monkeypatch.setenv("HANDRAIL_BOX_KEY", base64.b64encode(key).decode())
    copy = clinic.copied()
    assert clear_in(copy.parent, {"key": key}) == set()
    signer = clinic.signer
    told = [
        ("given", "pass HANDRAIL_BOX_KEY or the credential", False),
        ("another", "has another one than this backup", True),
        ("none", "was kept outside the data folder", True),
    ]
    for name, text, written in told:
        there = tmp_path / name
        if name == "another":
            monkeypatch.setenv("HANDRAIL_BOX_KEY", base64.b64encode(b"x" * 32).decode())
        if name == "none":
            monkeypatch.delenv("HANDRAIL_BOX_KEY")
        paper = () if name == "given" else ("--recovery-key-file", clinic.key, *signer)
        ran = handrail("restore", copy, *paper, "--data", there, "--json")
        assert ran.code == 0, ran.err
        assert text in ran.json["by_hand"][0]
        assert (there / "box.key").exists() is written
        assert (there / "ehr.token").read_text() == TOKEN
    assert (there / "box.key").read_bytes() == key
    clinic.run("audit", "verify", data=there)


def test_nothing_is_copied_before_it_is_sealed(clinic: Clinic, handrail: Handrail) -> None:
    """A backup from before the recovery key is not copied with its secrets in clear."""
    keyring = clinic.data / "backups" / "keyring"
    (clinic.data / "recovery.json").rename(clinic.papers / "recovery.json")
    clinic.run("backup")
    assert b'"file"' in keyring.read_bytes()
    (clinic.papers / "recovery.json").rename(clinic.data / "recovery.json")
    shown = json.loads(clinic.run("key", "recovery", "show", "--json"))
    assert shown["opens"] == 0
    ran = handrail("key", "recovery", "verify", "--data", clinic.data)
    assert ran.code == 1
    assert "take one with `handrail backup`" in ran.err
    name = max((clinic.data / "backups").glob("*.backup")).name
    with pytest.raises(StoreError, match="take a backup first"):
        copy_backup(clinic.data, name, clinic.copy)
    assert not clinic.copy.with_name("box.keys").exists()
    clinic.run("backup", "--to", clinic.copy)
    assert clear_in(clinic.copy.parent, clinic.secrets) == set()


def test_a_sheet_has_the_key_and_a_qr_code(clinic: Clinic, handrail: Handrail) -> None:
    """Only its owner can read it; where it cannot be written, no key is made."""
    sheet, recovery = clinic.papers / "sheet.html", clinic.data / "recovery.json"
    clinic.make_key("--force", "--sheet", str(sheet))
    page = sheet.read_text()
    key = RecoveryKey.read(page[page.index("<pre>") + 5 : page.index("</pre>")])
    assert key.recipient == json.loads(recovery.read_text())["recipient"]
    assert "<svg" in page
    assert sheet.stat().st_mode & 0o777 == 0o600
    before = recovery.read_bytes()
    nowhere = clinic.papers / "none" / "sheet.html"
    ran = handrail(
        "key", "recovery", "create", "--force", "--sheet", nowhere, "--data", clinic.data
    )
    assert ran.code == 1
    assert "no recovery key was made" in ran.err
    assert ran.out == ""
    assert recovery.read_bytes() == before


def test_without_a_box_there_is_no_recovery_key(handrail: Handrail, tmp_path: Path) -> None:
    """Each command says what to do."""
    none = handrail("key", "recovery", "create", "--data", tmp_path / "none")
    assert (none.code, "handrail serve" in none.err, none.out) == (1, True, "")
    for command in ("show", "verify"):
        ran = handrail("key", "recovery", command, "--data", tmp_path)
        assert (ran.code, "handrail key recovery create" in ran.err) == (1, True)
    ran = handrail("key", "recovery", "create", "--data", tmp_path)
    assert (ran.code, "the first backup" in ran.err) == (0, True)
    ran = handrail("key", "recovery", "verify", "--data", tmp_path)
    assert (ran.code, "no backup yet" in ran.err) == (1, True)


def test_the_tool_age_opens_it_as_the_page_says(clinic: Clinic, tmp_path: Path) -> None:
    """On a machine without Handrail; with `rage`'s library in the place of the tool."""
    clinic.copied()
    page = (Path(__file__).parents[2] / "docs/how-to/keep-the-key-safe.md").read_text()
    (command,) = (line for line in page.splitlines() if "base64 -d | age" in line)
    before_age = command.partition("| age")[0].replace("FOLDER.keys", f"{clinic.copy}.keys")
    encrypted = subprocess.run(["sh", "-c", before_age], check=True, capture_output=True).stdout
    key = RecoveryKey.read(clinic.key.read_text())
    opened = key.open({key.recipient: encrypted, BY_BOX: b""})
    assert opened.files["box.key"] == (clinic.data / "box.key").read_bytes()
    assert opened.files["ehr.token"] == TOKEN.encode()
    if age := shutil.which("age"):
        (tmp_path / "key").write_text(key.text)
        opener = [age, "-d", "-i", tmp_path / "key"]
        out = subprocess.run(opener, input=encrypted, check=True, capture_output=True).stdout
        assert TOKEN.encode() in base64.b64decode(json.loads(out)["files"]["ehr.token"])


def _forge(clinic: Clinic, handrail: Handrail, home: Path, *, sealed: bool) -> Path:
    """Make a backup of another box, as an attacker who has read the recipient; return its copy."""
    evil = home / "evil"
    order = ("device", "enrol", "Desk", "--role", "facility", "--data", evil)
    assert handrail(*order).code == 0
    if sealed:
        shutil.copy(clinic.data / "recovery.json", evil)
    copy = home / "share" / "box"
    assert handrail("backup", "--to", copy, "--data", evil).code == 0
    return copy


@pytest.mark.parametrize("sealed", [True, False])
def test_a_forged_backup_is_refused(
    clinic: Clinic, handrail: Handrail, tmp_path: Path, sealed: bool
) -> None:
    """Anybody can encrypt for the recipient, or not at all; nobody else can sign as the box."""
    forged, there = _forge(clinic, handrail, tmp_path, sealed=sealed), tmp_path / "there"
    order = ("restore", forged, "--recovery-key-file", clinic.key, "--data", there)
    asked = handrail(*order)
    assert asked.code == 2
    assert "--signed-by" in asked.err
    ran = handrail(*order, *clinic.signer)
    assert ran.code == 1
    assert "was forged" in ran.err
    assert not list(there.glob("*.sqlite")) + list(there.glob("admin.json"))
    ran = handrail(*order, "--signed-by", "unknown")
    assert ran.code == 0, ran.err
    assert f"signed by the box {clinic.signer[1]}" not in ran.err


def test_a_forged_backup_in_clear_is_told_from_a_script(
    clinic: Clinic, handrail: Handrail, tmp_path: Path
) -> None:
    """A box that is known needs no fingerprint; an unknown one gets a warning at least."""
    forged = _forge(clinic, handrail, tmp_path, sealed=False)
    ran = handrail("restore", forged, "--data", tmp_path / "there")
    assert ran.code == 0
    assert "nothing shows which box made it" in ran.err
    clinic.run("restore", clinic.data / "backups")
    assert handrail("restore", forged, *clinic.signer, "--data", clinic.data).code == 1


def test_the_sheet_has_the_fingerprint(clinic: Clinic, tmp_path: Path) -> None:
    """As `key show` has it, and what the restore asks for."""
    sheet = tmp_path / "sheet.html"
    made = json.loads(
        clinic.run("key", "recovery", "create", "--force", "--sheet", sheet, "--json")
    )
    assert made["fingerprint"] == clinic.signer[1]
    assert f"<pre>{made['fingerprint']}</pre>" in sheet.read_text()
