"""Persons on shared desks: signing in and out there, and facility IT's requests about them.

A PIN is in `SIGN_IN`, `ADD_PERSON` and `CHANGE_PERSON` only, a provider's code in
`FINISH_SIGN_IN` only: no answer, event or log has one.
"""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from schemas.base import ONE_LINE, Identifier, Timestamp, Wire, absent
from schemas.wire.request_base import AnswerBase, RequestBase


class StaffRole(StrEnum):
    """What a person may do at a desk."""

    FRONT_DESK = "front-desk"
    SUPERVISOR = "supervisor"
    IT = "it"


StaffName = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=64, pattern=ONE_LINE)
]
Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=3, max_length=300, pattern=ONE_LINE)
]
PIN_PATTERN = r"^[0-9]{6,12}$"
Pin = Annotated[str, Field(pattern=PIN_PATTERN)]
StaffRoles = Annotated[tuple[StaffRole, ...], Field(min_length=1, max_length=len(StaffRole))]


class PersonName(Wire):
    """A person as a desk's screen shows them to choose from."""

    person: Identifier
    name: str


class SignedInPerson(PersonName):
    """The person who is signed in at a desk; of emergency access, its id and the name given."""

    roles: tuple[StaffRole, ...]
    emergency_until: Annotated[Timestamp | None, Field(exclude_if=absent)] = None
    """When emergency access ends; absent for a person who signed in."""


class DeskState(Wire):
    """Whether somebody is signed in at a desk; part of its lobby once the site has persons."""

    signed_in: SignedInPerson | None
    log_off_s: int
    """Seconds without an act after which the desk is signed out; 0: never."""


class ShowDesk(RequestBase):
    """Show who is signed in at this desk, and who can sign in."""

    type: Literal["SHOW_DESK"] = "SHOW_DESK"


class SignIn(RequestBase):
    """Sign a person in at this desk, in the place of whoever is signed in.

    Refused as `pin_refused` with `tries_left`, or with `wait_s` while the person or the desk is
    locked: then the PIN is not looked at.
    """

    type: Literal["SIGN_IN"] = "SIGN_IN"
    person: Identifier
    pin: Annotated[str, Field(min_length=1, max_length=64, repr=False)]


class BeginSignIn(RequestBase):
    """Begin to sign a person in with the site's OpenID Connect provider.

    Refused as `sign_in_refused`, with a `cause`, if that is not possible now.
    """

    type: Literal["BEGIN_SIGN_IN"] = "BEGIN_SIGN_IN"
    page: Annotated[str, Field(min_length=1, max_length=512)]
    """The desk page's own address, without query and fragment: the provider must return there."""


class FinishSignIn(RequestBase):
    """Sign the person in whom the provider has authenticated, as `SIGN_IN` does.

    It works once, at the desk that began, for five minutes. Refused as `sign_in_refused`, with a
    `cause`; or as `pin_refused` while the person or the desk is locked.
    """

    type: Literal["FINISH_SIGN_IN"] = "FINISH_SIGN_IN"
    state: Annotated[str, Field(min_length=1, max_length=512, repr=False)]
    """As the provider returned it; likewise the others."""
    code: Annotated[str | None, Field(max_length=8192, exclude_if=absent, repr=False)] = None
    error: Annotated[str | None, Field(max_length=128, exclude_if=absent)] = None
    iss: Annotated[str | None, Field(max_length=512, exclude_if=absent)] = None

    @model_validator(mode="after")
    def _code_or_error(self) -> Self:
        if (self.code is None) == (self.error is None):
            raise ValueError("exactly one of `code` and `error` is required")
        return self


class StaySignedIn(RequestBase):
    """Restart the time to the automatic log-off: the person is still there."""

    type: Literal["STAY_SIGNED_IN"] = "STAY_SIGNED_IN"


class SignOut(RequestBase):
    """Sign out at this desk."""

    type: Literal["SIGN_OUT"] = "SIGN_OUT"


class BeginEmergencyAccess(RequestBase):
    """Get the rights of the front desk at a signed-out desk, for 30 minutes.

    It is logged at once, and shown to supervisors and facility IT.
    """

    type: Literal["BEGIN_EMERGENCY_ACCESS"] = "BEGIN_EMERGENCY_ACCESS"
    name: StaffName
    reason: Reason
    """Stored encrypted; it should not name a patient."""


class ListEmergencyAccess(RequestBase):
    """List the emergency access of the last seven days, and what nobody has reviewed."""

    type: Literal["LIST_EMERGENCY_ACCESS"] = "LIST_EMERGENCY_ACCESS"


class ReviewEmergencyAccess(RequestBase):
    """Record that a supervisor, or facility IT, has reviewed an emergency access."""

    type: Literal["REVIEW_EMERGENCY_ACCESS"] = "REVIEW_EMERGENCY_ACCESS"
    access: Identifier


class AddPerson(RequestBase):
    """Add a person. As soon as a site has one, its desks are signed out."""

    type: Literal["ADD_PERSON"] = "ADD_PERSON"
    name: StaffName
    roles: StaffRoles
    pin: Annotated[Pin, Field(repr=False)]


class ChangePerson(RequestBase):
    """Change a person's roles or PIN; the person is signed out everywhere."""

    type: Literal["CHANGE_PERSON"] = "CHANGE_PERSON"
    person: Identifier
    roles: Annotated[StaffRoles | None, Field(exclude_if=absent)] = None
    pin: Annotated[Pin | None, Field(exclude_if=absent, repr=False)] = None

    @model_validator(mode="after")
    def _something(self) -> Self:
        if (self.roles is None) == (self.pin is None):
            raise ValueError("exactly one of `roles` and `pin` is required")
        return self


class LinkPerson(RequestBase):
    """Link a person to an account of the provider, with which they can sign in, or to none.

    The person is signed out everywhere.
    """

    type: Literal["LINK_PERSON"] = "LINK_PERSON"
    person: Identifier
    account: Annotated[
        str | None, StringConstraints(min_length=1, max_length=255, pattern=ONE_LINE)
    ]
    """The value of the claim that identifies the account; null: none."""


class UnlockPerson(RequestBase):
    """Forget a person's wrong PINs."""

    type: Literal["UNLOCK_PERSON"] = "UNLOCK_PERSON"
    person: Identifier


class RetirePerson(RequestBase):
    """End a person's access permanently; the log keeps what they did."""

    type: Literal["RETIRE_PERSON"] = "RETIRE_PERSON"
    person: Identifier


class ListStaff(RequestBase):
    """List the persons, including retired ones, and emergency access as its own request does."""

    type: Literal["LIST_STAFF"] = "LIST_STAFF"


StaffRequest = (
    ShowDesk
    | SignIn
    | BeginSignIn
    | FinishSignIn
    | StaySignedIn
    | SignOut
    | BeginEmergencyAccess
    | ListEmergencyAccess
    | ReviewEmergencyAccess
    | AddPerson
    | ChangePerson
    | LinkPerson
    | UnlockPerson
    | RetirePerson
    | ListStaff
)


class SignInProvider(Wire):
    """An OpenID Connect provider with which persons can sign in."""

    name: str
    """For the button."""


class DeskShown(AnswerBase):
    """Who is signed in at this desk, and who can sign in."""

    type: Literal["DESK_SHOWN"] = "DESK_SHOWN"
    desk: DeskState | None
    """Null if the site has no persons: the desk works without signing in."""
    persons: tuple[PersonName, ...]
    """In the order of their names."""
    seconds_left: int | None
    """To the automatic log-off, or the end of emergency access; null if neither is due."""
    provider: Annotated[SignInProvider | None, Field(exclude_if=absent)] = None
    """Absent if persons sign in with a PIN only."""


class SignInBegun(AnswerBase):
    """The page goes to the provider now."""

    type: Literal["SIGN_IN_BEGUN"] = "SIGN_IN_BEGUN"
    url: Annotated[str, Field(repr=False)]
    """What the page opens in its place; the provider returns to `page` with `state`."""
    seconds_left: int
    """To finish it."""


class SignedIn(AnswerBase):
    """The person is signed in at this desk."""

    type: Literal["SIGNED_IN"] = "SIGNED_IN"
    signed_in: SignedInPerson
    seconds_left: int | None
    """As in `DESK_SHOWN`."""


class SignedOut(AnswerBase):
    """Nobody is signed in at this desk."""

    type: Literal["SIGNED_OUT"] = "SIGNED_OUT"


class EmergencyAccessLine(Wire):
    """An emergency access."""

    access: Identifier
    device: Identifier
    name: str
    """As the person typed it."""
    reason: str | None
    """As the person typed it; null if it cannot be decrypted."""
    begun_at: Timestamp
    ends_at: Timestamp
    reviewed_at: Timestamp | None
    reviewed_by: str | None


class EmergencyAccessList(AnswerBase):
    """The emergency access of the last seven days, and what nobody has reviewed; newest first."""

    type: Literal["EMERGENCY_ACCESS_LIST"] = "EMERGENCY_ACCESS_LIST"
    accesses: tuple[EmergencyAccessLine, ...]


class EmergencyAccessReviewed(AnswerBase):
    """It is recorded that the access was reviewed."""

    type: Literal["EMERGENCY_ACCESS_REVIEWED"] = "EMERGENCY_ACCESS_REVIEWED"
    access: Identifier


class PersonLine(PersonName):
    """A person as facility IT sees them."""

    roles: tuple[StaffRole, ...]
    added_at: Timestamp
    wrong_pins: int
    """In a row, since the last sign-in."""
    locked_until: Timestamp | None
    retired: bool
    signed_in_at: tuple[Identifier, ...]
    """The desks where the person is signed in now."""
    account: Annotated[str | None, Field(exclude_if=absent)] = None
    """The account at the provider that the person can sign in with; absent if there is none."""


class PersonChanged(PersonLine, AnswerBase):
    """The person as the request left them."""

    type: Literal["PERSON_CHANGED"] = "PERSON_CHANGED"


class StaffList(AnswerBase):
    """All persons, in the order of their names, and emergency access."""

    type: Literal["STAFF_LIST"] = "STAFF_LIST"
    persons: tuple[PersonLine, ...]
    accesses: tuple[EmergencyAccessLine, ...]


StaffAnswer = (
    DeskShown
    | SignInBegun
    | SignedIn
    | SignedOut
    | EmergencyAccessList
    | EmergencyAccessReviewed
    | PersonChanged
    | StaffList
)
