"""Stable names: the id of a resource is derived from site, session and role only.

So each export of a record has the same ids, and a server recognizes a resource it already has. No
id is derived from anything that a patient entered.
"""

from dataclasses import dataclass
from uuid import UUID, uuid5

from session_controller.export.fhir.resources import Coding, Identifier, Meta, Reference

PATIENT = "patient"
"""The patient's role."""

_NAMESPACE = UUID("3f0d3c1e-6b7a-5d57-9b51-0a1d6a1f7c52")
"""Never change it: every resource would be created again."""

_URI_SYSTEM = "urn:ietf:rfc:3986"
"""The system of identifiers that are URIs (R4, 2.24.0.11)."""

_TEST = Coding(
    system="http://terminology.hl7.org/CodeSystem/v3-ActReason",
    code="HTEST",
    display="test health data",
)
"""Of data that is of no real person (R4, 6.1.1.4)."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names of a session's resources."""

    site: str
    session: str
    test: bool = False

    def id(self, role: str) -> str:
        """Return a resource's id, as assigned by the client."""
        return str(uuid5(_NAMESPACE, f"{self.site}/{self.session}/{role}"))

    def urn(self, role: str) -> str:
        """Return a resource's URN, as the bundle's `fullUrl`."""
        return f"urn:uuid:{self.id(role)}"

    def identifier(self, role: str) -> Identifier:
        """Return a resource's identifier, which is kept on every server."""
        return Identifier(system=_URI_SYSTEM, value=self._lasting(role))

    def search(self, role: str) -> str:
        """Return the query for a resource's identifier in a conditional create (3.1.0.8.1)."""
        return f"identifier={_URI_SYSTEM}|{self._lasting(role)}"

    def _lasting(self, role: str) -> str:
        """Return a URN that differs from the `fullUrl`.

        Some servers replace a `fullUrl` with their reference everywhere, Medplum even in
        identifiers: the resource would not be found again, and be created twice.
        """
        return f"urn:uuid:{self.id(f'identifier/{role}')}"

    def reference(self, role: str, kind: str) -> Reference:
        """Return a reference to a resource of the bundle."""
        return Reference(reference=self.urn(role), type=kind)

    @property
    def meta(self) -> Meta:
        """Return the origin of a resource (`Meta.source`), and its mark if it is of a rehearsal."""
        security = (_TEST,) if self.test else None
        return Meta(source=f"urn:handrail:{self.site}:{self.session}", security=security)
