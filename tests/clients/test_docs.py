"""The pages about the protocol and the SDK say what is so."""

import json
import os
import re
import subprocess

import clients
from clients import FacilityClient, PatientClient
from schemas.base import Role
from schemas.wire.rejections import RejectionCode
from tests.conftest import ROOT
from tests.machine import needs

PROTOCOL = (ROOT / "docs" / "reference/protocol.md").read_text()
SDK = (ROOT / "docs" / "reference/sdk.md").read_text()


def blocks(text, language):
    """Return the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def printed_by(page, box, **given):
    """Run every shell block of a page, in order; return the JSON values that it prints."""
    script = "set -eu\n" + "\n".join(blocks(page, "sh"))
    here = {"HOST": "127.0.0.1", "PORT": str(box.port), "SITE": box.site}
    ran = subprocess.run(
        ["sh", "-c", script],
        env={"PATH": os.environ["PATH"], **here, **given},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    decoder, printed, rest = json.JSONDecoder(), [], ran.stdout.strip()
    while rest:
        value, end = decoder.raw_decode(rest)
        printed.append(value)
        rest = rest[end:].strip()
    return printed


@needs("mosquitto_rr", "mosquitto_pub", "mosquitto_sub", "jq")
def test_the_walk_through_a_session_works_as_written(clinic):
    """Every shell block of the page, in order, with nothing of ours on the kiosk's side."""
    staff = clinic.staff()
    opened = staff.open_session("quick")
    code = clinic.admin.enrol_device("Kiosk 2", Role.PATIENT, by="code").code
    flow, view, entered, refused = printed_by(
        PROTOCOL, clinic.box, CODE=code.lower(), SESSION_CODE=opened.code, FIELD="name"
    )
    assert flow["steps"] == ["who", "end"]
    assert (view["step_id"], view["acknowledged_seq"]) == ("who", 0)
    assert entered["acknowledged_seq"] == 1
    assert entered["fields"]["name"]["value"] == "Zoe"
    assert refused["code"] == RejectionCode.NOT_ALLOWED_FOR_ROLE
    assert staff.wait_for(opened.session, lambda v: "name" in v.fields)


@needs("mosquitto_rr", "mosquitto_pub", "mosquitto_sub", "jq")
def test_the_tutorial_for_a_first_kiosk_works_as_written(clinic):
    """Its commands pair, join, enter a value, and are refused."""
    clinic.admin.add_flow(json.loads((ROOT / "flows" / "quick-check-in.json").read_text()))
    opened = clinic.staff().open_session("quick-check-in")
    code = clinic.admin.enrol_device("My kiosk", Role.PATIENT, by="code").code
    page = (ROOT / "docs" / "tutorials/first-kiosk.md").read_text()
    flow, view, entered, refused = printed_by(page, clinic.box, CODE=code, SESSION_CODE=opened.code)
    assert flow["title"] == "Quick check-in"
    assert view["acknowledged_seq"] == 0
    assert entered == {"acknowledged_seq": 1, "fields": {"last-name": {"value": "Roe"}}}
    assert refused["code"] == RejectionCode.NOT_ALLOWED_FOR_ROLE


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
        compile(block, "docs/reference/sdk.md", "exec")
    known = {*dir(clients), *dir(PatientClient), *dir(FacilityClient)}
    called = set(re.findall(r"`(?:patient\.|staff\.)?([a-z_]+)\(", SDK))
    assert called <= known | {"result", "callback", "simulate"}
    errors = SDK[SDK.index("## Errors") :]
    assert set(re.findall(r"`([A-Z][A-Za-z]+)`", errors)) <= set(clients.__all__)
