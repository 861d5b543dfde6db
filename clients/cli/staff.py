"""`handrail staff`: the persons who sign in at front-desk screens."""

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from clients.cli.context import DATA, USAGE, AsJson, Data, Failure, program

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.wire.staff import EmergencyAccessLine, PersonLine, StaffRole

app = typer.Typer(
    help="Add, list and change the persons who sign in at front-desk screens.",
    epilog="Example: handrail staff list",
    no_args_is_help=True,
)


class RoleName(StrEnum):
    """The roles of persons."""

    FRONT_DESK = "front-desk"
    SUPERVISOR = "supervisor"
    IT = "it"


PersonId = Annotated[
    str, typer.Argument(metavar="PERSON", help="A person's id from `handrail staff list`.")
]
Roles = Annotated[
    list[RoleName],
    typer.Option(
        "--role",
        metavar="front-desk|supervisor|it",
        help="What the person may do at a desk; may be repeated.",
    ),
]
Generate = Annotated[
    bool, typer.Option("--generate", help="Make a random PIN and print it once; do not ask.")
]


@app.command(epilog="Example: handrail staff add 'Maria Lopez' --role front-desk --generate")
def add(
    context: typer.Context,
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="The name as desks show it, at most 64 characters."),
    ],
    *,
    role: Roles,
    generate: Generate = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Add a person. Asks for the PIN twice, without showing it: 6 to 12 digits.

    As soon as there is one person, front-desk screens show nothing until somebody signs in.
    """
    pin = _new_pin(generate=generate)
    with program(context).reach(data, makes=True) as admin:
        added = admin.add_person(name, _roles(role), pin)
    _print(added, pin if generate else None, as_json=as_json)


@app.command("list", epilog="Example: handrail staff list --all")
def list_staff(
    context: typer.Context,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Include retired persons.")] = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List the persons, and the emergency access of the last seven days."""
    from clients.cli.output import plain, print_json, print_table, say

    with program(context).reach(data) as admin:
        found = admin.list_staff()
    persons = [p for p in found.persons if everything or not p.retired]
    if as_json:
        print_json({"persons": plain(persons), "emergency_access": plain(found.accesses)})
        return
    empty = (
        "There are no persons: desks work without signing in. Add one with `handrail staff add`."
    )
    print_table(
        _COLUMNS, map(_row, persons), empty, prose=("name",), spare=("added", "desks", "account")
    )
    _print_accesses(found.accesses)
    if len(persons) < len(found.persons):
        say(f"{len(found.persons) - len(persons)} are retired; list them with --all.")


_COLUMNS = ("person", "name", "roles", "state", "desks", "account", "added")


def _row(person: "PersonLine") -> tuple[str, ...]:
    from clients.cli.output import moment

    return (
        person.person,
        person.name,
        " ".join(person.roles),
        _state(person),
        " ".join(person.signed_in_at),
        person.account or "",
        moment(person.added_at),
    )


def _state(person: "PersonLine") -> str:
    from clients.cli.output import moment

    if person.retired:
        return "retired"
    if person.locked_until is not None:
        return f"locked until {moment(person.locked_until)}"
    return "signed in" if person.signed_in_at else "signed out"


def _print_accesses(accesses: "Sequence[EmergencyAccessLine]") -> None:
    from clients.cli.output import moment, out, print_facts

    for access in accesses:
        reviewed = moment(access.reviewed_at)
        out().print()
        print_facts(
            {
                "emergency access": access.access,
                "at": f"{access.device}, {moment(access.begun_at)} to {moment(access.ends_at)}",
                "name given": access.name,
                "reason given": access.reason or "cannot be decrypted",
                "reviewed": f"by {access.reviewed_by}, {reviewed}" if reviewed else _REVIEW,
            }
        )


_REVIEW = "no; review it with `handrail staff review ACCESS`"


@app.command(epilog="Example: handrail staff role maria-lopez --role front-desk --role supervisor")
def role(
    context: typer.Context,
    person: PersonId,
    *,
    role: Roles,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Change what a person may do. They are signed out everywhere."""
    with program(context).reach(data) as admin:
        changed = admin.change_person_roles(person, _roles(role))
    _print(changed, as_json=as_json)


@app.command(epilog="Example: handrail staff pin maria-lopez --generate")
def pin(
    context: typer.Context,
    person: PersonId,
    *,
    generate: Generate = False,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Replace a person's PIN. Asks for it twice, without showing it. They are signed out."""
    new = _new_pin(generate=generate)
    with program(context).reach(data) as admin:
        changed = admin.change_pin(person, new)
    _print(changed, new if generate else None, as_json=as_json)


@app.command(epilog="Example: handrail staff link maria-lopez --account 6f1c0c1e-8d0e-4b7a")
def link(
    context: typer.Context,
    person: PersonId,
    *,
    account: Annotated[
        str,
        typer.Option(
            "--account",
            metavar="VALUE",
            help="The value of the claim in [oidc]: by default, the subject. A screen that "
            "refuses an account shows it.",
        ),
    ],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Link a person to an account of the OpenID Connect provider. The PIN stays."""
    with program(context).reach(data) as admin:
        linked = admin.link_person(person, account)
    _print(linked, as_json=as_json)


@app.command(epilog="Example: handrail staff unlink maria-lopez")
def unlink(
    context: typer.Context, person: PersonId, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Unlink a person: they sign in with the PIN only. They are signed out."""
    with program(context).reach(data) as admin:
        unlinked = admin.link_person(person, None)
    _print(unlinked, as_json=as_json)


@app.command(epilog="Example: handrail staff unlock maria-lopez")
def unlock(
    context: typer.Context, person: PersonId, data: Data = DATA, as_json: AsJson = False
) -> None:
    """Forget a person's wrong PINs, so that they can sign in at once."""
    with program(context).reach(data) as admin:
        unlocked = admin.unlock_person(person)
    _print(unlocked, as_json=as_json)


@app.command(epilog="Example: handrail staff retire maria-lopez")
def retire(
    context: typer.Context, person: PersonId, data: Data = DATA, as_json: AsJson = False
) -> None:
    """End a person's access permanently. Their log entries remain."""
    from clients.cli.output import say

    with program(context).reach(data) as admin:
        retired = admin.retire_person(person)
        left = [p for p in admin.list_staff().persons if not p.retired]
    _print(retired, as_json=as_json)
    if not left:
        say("No person is left: front-desk screens work without signing in again.")


@app.command(epilog="Example: handrail staff review emergency-3f9a…")
def review(
    context: typer.Context,
    access: Annotated[
        str, typer.Argument(metavar="ACCESS", help="Its id from `handrail staff list`.")
    ],
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Record that an emergency access was reviewed, and by whom."""
    from clients.cli.output import print_facts, print_json

    with program(context).reach(data) as admin:
        reviewed = admin.review_emergency_access(access).access
    if as_json:
        print_json({"reviewed": reviewed})
    else:
        print_facts({"reviewed": reviewed})


def _roles(names: list[RoleName]) -> "tuple[StaffRole, ...]":
    from schemas.wire.staff import StaffRole

    return tuple(StaffRole(name) for name in names)


def _new_pin(*, generate: bool) -> str:
    """Return a new PIN: a random one, or what is typed twice without echo."""
    from session_controller.security.pins import new_pin, pin_problem

    if generate:
        return new_pin()
    if not sys.stdin.isatty():
        raise Failure("there is no terminal to ask for the PIN on; pass --generate", USAGE)
    typed: str = typer.prompt("PIN", hide_input=True, confirmation_prompt="PIN again", err=True)
    if problem := pin_problem(typed):
        raise Failure(f"the PIN {problem}; choose another one, or pass --generate", USAGE)
    return typed


def _print(person: "PersonLine", pin: str | None = None, *, as_json: bool) -> None:
    from clients.cli.output import plain, print_facts, print_json

    if as_json:
        print_json(plain(person) | ({"pin": pin} if pin else {}))
        return
    facts = {
        "person": person.person,
        "name": person.name,
        "roles": " ".join(person.roles),
        "state": _state(person),
    }
    facts |= {"account": person.account} if person.account else {}
    print_facts(facts | ({"PIN": f"{pin} (shown only once)"} if pin else {}))
