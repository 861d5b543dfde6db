"""Why nobody was signed in with a provider."""

from dataclasses import dataclass
from enum import StrEnum


class Cause(StrEnum):
    """Why a sign-in with the provider was refused."""

    UNREACHABLE = "unreachable"
    """The provider does not answer, or not with what it should."""
    MISCONFIGURED = "misconfigured"
    """The provider refuses this box as its client, or is not the configured one."""
    DECLINED = "declined"
    """The provider did not sign the person in."""
    EXPIRED = "expired"
    """It took too long, was used before, or was begun elsewhere."""
    CLOCK = "clock"
    """The clocks of box and provider differ."""
    NOT_FRESH = "not_fresh"
    """The provider did not ask for the password anew, or does not say so."""
    INVALID = "invalid"
    """The ID token is not one of this provider, for this box and this sign-in."""
    UNVERIFIED = "unverified"
    """The token has no such claim, or the provider has not verified the e-mail address."""
    NOT_LINKED = "not_linked"
    """Nobody is linked to the account."""
    RETIRED = "retired"
    """The person who is linked to the account is retired."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A refusal, and what exactly failed: a fixed word, or an error code of a standard."""

    cause: Cause
    detail: str | None = None
