"""`handrail session purge --dry-run`: what a purge would delete, and what it would keep and why."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from clients.cli.context import Program
from clients.cli.output import moment, plain, print_facts, print_json, print_table, say
from clients.sdk.admin import AdminClient
from schemas.wire.purging import KeptSession, PurgePreview

_WHY = {
    "undelivered": "not delivered to {}: `handrail deliver status`",
    "no_destination": "no destination has it: export it, then purge it by name or by age",
}


def preview(
    program: Program,
    data: Path,
    sessions: Sequence[str],
    older_than: timedelta | None,
    *,
    as_json: bool,
) -> None:
    """Print what a purge would delete; without an order, what a running box will by itself."""
    by_itself = not sessions and older_than is None
    enter = program.running if by_itself else program.visit
    seconds = None if older_than is None else int(older_than.total_seconds())
    with enter(data) as place, AdminClient(place.url, place.credential) as admin:
        found = admin.preview_purge(*sessions, older_than_s=seconds)
    if as_json:
        print_json(plain(found))
        return
    _print(found, "within a day" if by_itself else "now")
    if found.doubted and by_itself:
        say("The box does not trust its clock and purges nothing by itself at present: see its log")


def _print(found: PurgePreview, when: str) -> None:
    sessions = "1 session" if found.count == 1 else f"{found.count:,} sessions"
    facts = {"would be purged": f"{sessions}, {when}" if found.count else f"nothing, {when}"}
    if found.count:
        facts |= {"oldest ended": moment(found.oldest), "newest ended": moment(found.newest)}
    print_facts(facts | {"held back": f"{found.kept_count:,}"})
    if found.kept:
        rows = [(one.session, _why(one)) for one in found.kept]
        print_table(("session", "kept because"), rows, "", prose=("kept because",))
    if (more := found.kept_count - len(found.kept)) > 0:
        say(f"and {more:,} more")


def _why(one: KeptSession) -> str:
    return _WHY[one.reason].format(", ".join(one.destinations or ()))
