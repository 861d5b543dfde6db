"""`handrail demo`: one guided check-in over real connections, showing both screens."""

import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from clients.cli.box_process import BoxProcess
from clients.cli.context import Program
from clients.cli.output import echo, print_json
from clients.cli.pairing_page import qr_text
from clients.demo.people import WITHIN_S, Clerk, Patient, demand
from clients.demo.stage import Stage
from clients.demo.story import SENT_WHILE_CUT_OFF, Cast, play
from clients.sdk.admin import AdminClient
from clients.sdk.credential import Credential
from clients.sdk.facility import FacilityClient
from clients.sdk.network.backoff import Backoff
from clients.sdk.pairing import pair
from clients.sdk.patient import PatientClient
from schemas.base import Role

FLOW = "pre-registration"
_BEAT_S = 0.4
_FAST_BEAT_S = 0.02


def run(with_program: Program, data: Path | None, *, once: bool, fast: bool) -> None:
    """Play one guided check-in; without `once`, keep the box up and print two links."""
    # On SIGTERM, stop the box too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    with _folder(data) as folder, BoxProcess(with_program.command, folder) as box:
        response = _play(with_program, box, _FAST_BEAT_S if fast else _BEAT_S)
        print_json(response)
        demand(response.get("status") == "completed", "the response is not completed")
        echo(f"\nThe session is completed: {_answers(response)} answers as FHIR, above.\n")
        if not once:
            _go_on_by_hand(with_program, box)


@contextmanager
def _folder(data: Path | None) -> Iterator[Path]:
    if data is not None:
        yield data
        return
    with tempfile.TemporaryDirectory(prefix="handrail-demo-") as folder:
        yield Path(folder)


def _play(with_program: Program, box: BoxProcess, beat_s: float) -> dict[str, Any]:
    """Set up the two screens, play, and return the QuestionnaireResponse."""
    away_s = 6 * beat_s
    with Stage(beat_s) as stage:
        stage.scene("The box")
        stage.tell(f"A box is running at {box.url}, process {box.pid}.")
        staff, kiosk = _enrolled(with_program, box, stage)
        with (
            FacilityClient(
                box.url, staff, flows=stage.flows, backoff=Backoff(0.2, 1.0, lambda: 1.0)
            ) as desk,
            # How long the tablet stays unplugged: the first reconnect comes after this.
            PatientClient(
                box.url, kiosk, flows=stage.flows, backoff=Backoff(away_s, away_s, lambda: 1.0)
            ) as tablet,
            stage.follow(desk, tablet),
        ):
            cast = _paired(stage, desk, tablet, box)
            play(cast)
            session = cast.clerk.session
    with with_program.reach(box.data) as admin:
        story = [(line.event, line.summary) for line in admin.timeline(session)]
        for field_id in SENT_WHILE_CUT_OFF:
            times = story.count(("FieldEntered", field_id))
            demand(times == 1, f"{field_id} must arrive once; it arrived {times} times")
        return admin.response(session)


def _enrolled(
    with_program: Program, box: BoxProcess, stage: Stage
) -> tuple[Credential, Credential]:
    """Enroll the front-desk screen with a secret, and the kiosk with a code."""
    with with_program.reach(box.data) as admin:
        staff = _credential(admin, "Front desk")
        kiosk = admin.enrol_device("Kiosk 2", Role.PATIENT, "code")
    stage.tell(f"IT enrolls the front desk, and creates a code for a kiosk: {kiosk.code}")
    credential = pair(box.url, kiosk.code or "", name="Kiosk 2")
    stage.tell(
        "The code is typed on the tablet. The tablet is now enrolled, and the code is used up."
    )
    return staff, credential


def _credential(admin: AdminClient, name: str) -> Credential:
    enrolled = admin.enrol_device(name, Role.FACILITY)
    return Credential(enrolled.site, enrolled.device, enrolled.role, enrolled.secret or "")


def _paired(stage: Stage, desk: FacilityClient, tablet: PatientClient, box: BoxProcess) -> Cast:
    opened = desk.open_session(FLOW, label="Room 3")
    flow = desk.flow(opened.flow_ref)
    clerk = Clerk(desk, stage, opened.session, flow)
    stage.tell(f"The front desk opens a session; its code is {opened.code}.")
    tablet.join_by_code(opened.code or "")
    mine = tablet.wait_for(opened.session, timeout=WITHIN_S)
    theirs = clerk.sees("the tablet", lambda view: len(view.participants) > 1)
    demand(mine.check_words == theirs.check_words, "the check words differ")
    words = " ".join(mine.check_words)
    stage.tell(f"Paired. Both screens show the same two words, “{words}”.")
    return Cast(stage, clerk, Patient(tablet, stage, opened.session, flow), box)


def _answers(response: dict[str, Any]) -> int:
    """Count the answers of a QuestionnaireResponse, or of a part of it."""
    found = 0
    for item in response.get("item", ()):
        answers = item.get("answer", ())
        found += len(answers) + _answers(item) + sum(_answers(answer) for answer in answers)
    return found


def _go_on_by_hand(with_program: Program, box: BoxProcess) -> None:
    """Open a session for two people with two browsers, and keep the box running."""
    with with_program.reach(box.data) as admin:
        desk = admin.enrol_device("Reception", Role.FACILITY, "code")
        opened = admin.open_session_for(desk.device, FLOW, label="Room 4")
    pages = box.addresses["http"]
    patient = f"{pages}/patient#code={opened.code}"
    handrail = "./run handrail" if Path("run").is_file() else "handrail"
    echo(
        f"""
The box stays up. Open these two links in two browsers on this machine. Each link works once, for
ten minutes:

  front-desk screen  {pages}/facility#code={desk.code}
  patient screen     {patient}
"""
    )
    echo(qr_text(patient))
    echo(
        f"""
To use a tablet, the box must listen on the network, with TLS: docs/how-to/network.md.
In another terminal, try:

  export HANDRAIL_DATA={box.data.absolute()}
  {handrail} session list --all
  {handrail} session watch {opened.session}
  {handrail} device enrol 'Tablet 3' --role patient --code
  {handrail} simulate {FLOW} --sessions 5 --pace 0.2

Press Ctrl-C here to stop the box.
"""
    )
    with suppress(KeyboardInterrupt):
        box.wait()
