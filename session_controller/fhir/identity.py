"""Names that stay: what a session's resource is called is made of site, session and role alone.

The same record therefore gives the same names each time, and a server can tell that it has a
resource already. No name is made of anything that a patient entered.
"""

from dataclasses import dataclass
from uuid import UUID, uuid5

from session_controller.fhir.resources import Identifier, Meta, Reference

_NAMESPACE = UUID("3f0d3c1e-6b7a-5d57-9b51-0a1d6a1f7c52")
"""Ours; never to be changed, or everything would be sent anew."""

_URI_SYSTEM = "urn:ietf:rfc:3986"
"""The system of identifiers that are URIs (R4, 2.24.0.11)."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of the resources of one session."""

    site: str
    session: str

    def id(self, role: str) -> str:
        """Name a resource, as an id that a client may assign."""
        return str(uuid5(_NAMESPACE, f"{self.site}/{self.session}/{role}"))

    def urn(self, role: str) -> str:
        """Name a resource, as the bundle's `fullUrl`."""
        return f"urn:uuid:{self.id(role)}"

    def identifier(self, role: str) -> Identifier:
        """Name a resource, as an identifier that it keeps on every server."""
        return Identifier(system=_URI_SYSTEM, value=self._lasting(role))

    def search(self, role: str) -> str:
        """Find a resource by its identifier: the query of a conditional create (3.1.0.8.1)."""
        return f"identifier={_URI_SYSTEM}|{self._lasting(role)}"

    def _lasting(self, role: str) -> str:
        """Name a resource otherwise than the bundle does.

        Some servers put their reference in the place of a `fullUrl` wherever it stands, Medplum in
        identifiers too: the resource would not be found again, and made anew.
        """
        return f"urn:uuid:{self.id(f'identifier/{role}')}"

    def reference(self, role: str, kind: str) -> Reference:
        """Refer to a resource of the bundle."""
        return Reference(reference=self.urn(role), type=kind)

    @property
    def meta(self) -> Meta:
        """Say where a resource comes from (`Meta.source`)."""
        return Meta(source=f"urn:handrail:{self.site}:{self.session}")
