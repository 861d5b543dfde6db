"""The OpenID Connect provider of a configuration, and what is wrong with it."""

import os

from session_controller.configuration.sections import Oidc
from session_controller.openid.settings import EMAIL, OpenIdSettings

_CHANGEABLE = frozenset(
    {"family_name", "given_name", "name", "nickname", "preferred_username", "profile", "upn"}
)
"""Claims that people can change themselves at many providers."""


def openid_settings(found: Oidc) -> OpenIdSettings | None:
    """Return the provider, or None if none is configured whole."""
    if not found.issuer or not found.client_id:
        return None
    scopes = ("openid", *(found.scopes or "").split())
    return OpenIdSettings(
        found.issuer,
        found.client_id,
        found.client_secret_file,
        found.name,
        found.claim,
        tuple(dict.fromkeys((*scopes, EMAIL) if found.claim == EMAIL else scopes)),
        found.page,
        found.ca_file,
        found.reauthenticate,
    )


def openid_problem(found: Oidc) -> str | None:
    """Return what is wrong with the section as a whole, with the key to correct; or None."""
    if not found.issuer:
        return "oidc.client_id requires oidc.issuer" if found.client_id else None
    if not found.client_id:
        return "oidc.issuer requires oidc.client_id"
    if found.claim in _CHANGEABLE:
        return (
            f"oidc.claim: people can change `{found.claim}` themselves; use sub, or another claim "
            "that stays with its account"
        )
    files = {"client_secret_file": found.client_secret_file, "ca_file": found.ca_file}
    for name, file in files.items():
        if file is not None and not os.access(file, os.R_OK):
            return f"oidc.{name}: cannot read {file}"
    return None
