"""Accounts at the provider that is configured."""

from session_controller.openid.settings import EMAIL, OpenIdSettings
from session_controller.storage.entities import Account


def account_of(settings: OpenIdSettings, value: str) -> Account:
    """Return an account of the provider that is configured.

    An e-mail address is compared without regard to the case of ASCII. Letters beyond it stay: the
    Kelvin sign must not become the letter of another address.
    """
    folded = value.lower() if settings.claim == EMAIL and value.isascii() else value
    return Account(settings.issuer, settings.claim, folded)
