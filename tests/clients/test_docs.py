"""The pages about the protocol and the SDK say what is so."""

import json
import os
import re
import shutil
import subprocess

import pytest

import clients
from clients import FacilityClient, PatientClient
from schemas.base import Role
from schemas.rejections import RejectionCode
from tests.conftest import ROOT

PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
SDK = (ROOT / "docs" / "sdk.md").read_text()
TOOLS = ("mosquitto_rr", "mosquitto_pub", "mosquitto_sub", "jq", "sh")


def blocks(text, language):
    """Give the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_the_walk_through_a_session_works_as_written(clinic):
    """Every shell block of the page, in order, with nothing of ours on the kiosk's side."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"not on this machine: {', '.join(missing)}")
    staff = clinic.staff()
    opened = staff.open_session("quick")
    enrolled = clinic.admin.enrol_device("Kiosk 2", Role.PATIENT, by="code")
    script = "set -eu\n" + "\n".join(blocks(PROTOCOL, "sh"))
    given = {
        "PATH": os.environ["PATH"],
        "HOST": "127.0.0.1",
        "PORT": str(clinic.box.port),
        "SITE": clinic.box.site,
        "CODE": enrolled.code.lower(),
        "SESSION_CODE": opened.code,
        "FIELD": "name",
    }
    ran = subprocess.run(
        ["sh", "-c", script], env=given, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.returncode == 0, ran.stderr
    decoder, printed, rest = json.JSONDecoder(), [], ran.stdout.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        printed.append(value)
        rest = rest[end:].strip()
    flow, view, entered, refused = printed
    assert flow["steps"] == ["who", "end"]
    assert (view["step_id"], view["acknowledged_seq"]) == ("who", 0)
    assert entered["acknowledged_seq"] == 1
    assert entered["fields"]["name"]["value"] == "Zoe"
    assert refused["code"] == RejectionCode.NOT_ALLOWED_FOR_ROLE
    assert staff.wait_for(opened.session, lambda v: "name" in v.fields)


def test_the_json_examples_are_of_the_contract():
    """What the page shows as JSON names types and fields that there are."""
    bundle = json.loads((ROOT / "docs" / "protocol" / "handrail.schema.json").read_text())
    for block in blocks(PROTOCOL, "json"):
        shown = json.loads(block)
        name = "".join(part.capitalize() for part in shown["type"].split("_"))
        assert set(shown) <= set(bundle["$defs"][name]["properties"])


def test_the_sdk_page_names_what_there_is():
    """Each name in the page's code and tables is one of the package's."""
    for block in blocks(SDK, "python"):
        compile(block, "docs/sdk.md", "exec")
    known = {*dir(clients), *dir(PatientClient), *dir(FacilityClient)}
    called = set(re.findall(r"`(?:patient\.|staff\.)?([a-z_]+)\(", SDK))
    assert called <= known | {"result", "callback", "simulate"}
    errors = SDK[SDK.index("## Errors") :]
    assert set(re.findall(r"`([A-Z][A-Za-z]+)`", errors)) <= set(clients.__all__)
