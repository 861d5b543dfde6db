"""Which OpenID Connect provider a box uses, and as which client."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DISCOVERY = "/.well-known/openid-configuration"
"""Below the issuer (OpenID Connect Discovery, 4)."""
PAGE = "/facility"
"""The path of the front-desk page, to which the provider returns."""
EMAIL = "email"
"""The claim that counts only where the provider has verified it."""
LONGEST_ACCOUNT = 255
"""Characters of a claim that identifies: the limit of `sub` (OpenID Connect Core, 2)."""


@dataclass(frozen=True, slots=True)
class OpenIdSettings:
    """The provider, and this box as its client."""

    issuer: str
    client_id: str
    secret_file: Path | None = None
    """None: a public client, which PKCE protects alone."""
    name: str = "your account"
    """As the button says it."""
    claim: str = "sub"
    """The claim of the ID token that identifies a person."""
    scopes: tuple[str, ...] = ("openid",)
    page: str | None = None
    """The address of the front-desk page; None: under the box's own name."""
    ca_file: Path | None = None
    """CA certificates for the provider, if this machine does not trust it."""
    reauthenticate: bool = True
    """Whether the provider must ask for the password anew, and say that it did."""


@dataclass(frozen=True, slots=True)
class OpenId:
    """The provider as handlers know it."""

    settings: OpenIdSettings
    own_pages: Callable[[], str | None] = lambda: None
    """Returns the address of the box's pages under its own name, or None if it is not known."""

    @property
    def page(self) -> str | None:
        """The address to which the provider returns, or None if it is not known."""
        if self.settings.page is not None:
            return self.settings.page
        pages = self.own_pages()
        return pages and pages + PAGE
