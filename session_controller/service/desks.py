"""Front-desk screens since the start: who is signed in there, and wrong PINs.

In memory only: after a restart, whoever was signed in signs in again.
"""

from dataclasses import dataclass, field
from datetime import datetime

from schemas.wire.requests import Answer
from schemas.wire.staff import DeskState, SignedInPerson, StaffRole
from session_controller.engine.refusal import Refusal
from session_controller.openid.authorization import Pending
from session_controller.settings import Settings

_LEAD = frozenset({StaffRole.FRONT_DESK, StaffRole.SUPERVISOR})
EMERGENCY = "emergency"
"""The prefix of the id of an emergency access, in the place of a person's."""


def is_emergency(who: str | None) -> bool:
    """Return whether the log names an emergency access in a person's place."""
    return who is not None and who.startswith(f"{EMERGENCY}-")


@dataclass(frozen=True, slots=True)
class SignedIn:
    """The person who is signed in at a desk, or an emergency access there."""

    who: str
    name: str
    roles: tuple[StaffRole, ...]
    acted_s: float
    """When the person last did something, by the clock that does not jump."""
    ends_s: float | None = None
    """When emergency access ends, by the same clock."""
    ends_at: datetime | None = None
    """The same by the box's time."""

    @property
    def shows_patients(self) -> bool:
        """Whether the screen may show patient data: not for `it` alone."""
        return bool(_LEAD.intersection(self.roles))

    @property
    def shown(self) -> SignedInPerson:
        """Return the person as screens see them."""
        return SignedInPerson(
            person=self.who, name=self.name, roles=self.roles, emergency_until=self.ends_at
        )

    def seconds_left(self, steady_s: float, log_off_s: float) -> float | None:
        """Return in how many seconds it ends by itself, or None if it does not."""
        ends = [] if self.ends_s is None else [self.ends_s]
        if log_off_s:
            ends.append(self.acted_s + log_off_s)
        return max(min(ends) - steady_s, 0.0) if ends else None


@dataclass(frozen=True, slots=True)
class AtProvider:
    """A sign-in with the OpenID Connect provider at one screen."""

    pending: Pending | None = None
    """What the provider's answer is expected to fit."""
    trying: str | None = None
    """The request for which the provider is asked."""
    answered: tuple[str, Answer | Refusal] | None = field(default=None, repr=False)
    """As that of `Desk`."""


NOT_AT_PROVIDER = AtProvider()


@dataclass(frozen=True, slots=True)
class Desk:
    """A front-desk screen."""

    signed_in: SignedIn | None = None
    wrong_pins: int = 0
    """In a row, since somebody signed in."""
    locked_until_s: float = 0.0
    trying: str | None = None
    """The request whose PIN is being checked."""
    answered: tuple[str, Answer | Refusal] | None = None
    """The request that was answered last, and how: it may arrive twice."""
    at_provider: AtProvider = NOT_AT_PROVIDER


AT_START = Desk()


def desk_state(signed_in: SignedIn | None, settings: Settings) -> DeskState:
    """Return the state of a desk of a site with persons."""
    shown = signed_in.shown if signed_in else None
    return DeskState(signed_in=shown, log_off_s=int(settings.staff_log_off.total_seconds()))


@dataclass(frozen=True, slots=True)
class PinCheck:
    """A PIN that is to be checked, beside the event loop."""

    device: str
    request_id: str
    person: str
    pin_hash: str = field(repr=False)
    pin: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class NewPin:
    """A person who gets a PIN: an added one with `name` and `roles`, else one who is known."""

    device: str
    request_id: str
    asker: str | None
    """Who asks, for the log."""
    person: str
    pin: str = field(repr=False)
    name: str | None = None
    roles: tuple[StaffRole, ...] = ()


@dataclass(frozen=True, slots=True)
class BeginAtProvider:
    """Somebody goes to the provider: its address is looked up, beside the event loop's turn."""

    device: str
    request_id: str
    pending: Pending


@dataclass(frozen=True, slots=True)
class FinishAtProvider:
    """Somebody has returned from the provider with a code, which it exchanges."""

    device: str
    request_id: str
    pending: Pending
    code: str = field(repr=False)
    issuer: str | None
    """Who the provider said that it is, if it did."""


ProviderOrder = BeginAtProvider | FinishAtProvider
