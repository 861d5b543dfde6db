"""A device's credential, and the file that stores it."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from clients.sdk.files import write_private
from schemas.base import VERSION, Role
from schemas.wire.devices import PairingGrant


@dataclass(frozen=True, slots=True)
class Credential:
    """A device's identity and secret, from a pairing or an enrollment.

    `session` is set for a guest that joined by a session's code; such a credential ends with the
    session.
    """

    site: str
    device: str
    role: Role
    secret: str = field(repr=False)
    session: str | None = None

    @classmethod
    def from_grant(cls, grant: PairingGrant) -> Self:
        """Return the credential in a grant."""
        return cls(grant.site, grant.device, grant.role, grant.secret, grant.session)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a file written by `save`. Raises OSError, or ValueError for any other file."""
        try:
            body = json.loads(Path(path).read_bytes())
            grant = PairingGrant.model_validate_json(json.dumps(body))
        except ValueError:
            # Without the cause, which would repeat the secret.
            raise ValueError(f"{os.fspath(path)} is not a credential file") from None
        return cls.from_grant(grant)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the credential atomically to a file that only its owner can read."""
        body = {"v": VERSION, **{k: v for k, v in asdict(self).items() if v is not None}}
        write_private(Path(path), json.dumps(body, indent=2).encode() + b"\n")
