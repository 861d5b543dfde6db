"""What a staff's screen is told before it tries."""

from session_controller.engine.view import view
from tests.engine.play import OTHER, PATIENT, Play, flow_of, item

FLOW = flow_of(
    item("who", "group", item=[item("name", "string", required=True)]),
    item("end", "group", item=[item("note", "string")]),
)


def test_the_host_is_told_what_waits_for_answers() -> None:
    """What is missing stands in the view, in the words of the refusal that it would bring."""
    play = Play(FLOW)
    shown = play.staff_view
    assert shown.missing == ("name",)
    assert set(shown.blocked) == {"COMPLETE", "CANCEL_SIGNATURE", "TAKE_OVER"}
    play.host("NAVIGATE", step_id="end")
    assert play.refusal is not None
    assert play.refusal.message.endswith(shown.missing_reason or "nothing")
    play.host("COMPLETE")
    assert play.refusal.message == shown.blocked["COMPLETE"]
    play.enter("name", "Ana")
    assert play.staff_view.missing == ()
    assert play.staff_view.missing_reason is None
    assert "COMPLETE" not in play.staff_view.blocked


def test_who_observes_may_take_over_only() -> None:
    """Every command of the host's is blocked for another screen, with the reason."""
    play = Play(FLOW)
    shown = view(play.session, OTHER, epoch=1)
    blocked = getattr(shown, "blocked", {})
    assert "TAKE_OVER" not in blocked
    assert set(blocked.values()) == {"Another screen leads this session."}


def test_what_is_blocked_is_refused_and_the_rest_is_not_for_that_reason() -> None:
    """The outlook and `decide` agree in each phase: open, signing, paused, ended."""
    play = Play(FLOW)
    fields = {
        "NAVIGATE": {"step_id": "who"},
        "HIGHLIGHT_FIELD": {"field_id": None},
        "COVER_SCREEN": {"covered": False},
        "PAUSE": {},
        "RESUME": {},
        "CANCEL": {"reason": "done"},
    }
    for kind in ("PAUSE", "RESUME", "CANCEL"):
        play.host(kind, **fields[kind])
        for command, more in fields.items():
            reason = play.staff_view.blocked.get(command)
            if reason is not None:
                play.host(command, **more)
                assert play.refusal is not None
                assert play.refusal.message == reason
    assert "missing" not in type(view(play.session, PATIENT, epoch=1)).model_fields
