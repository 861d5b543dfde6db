"""A device's credential, and the file that keeps it."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Self

from clients.files import write_private
from schemas.base import VERSION, Role
from schemas.devices import PairingGrant


@dataclass(frozen=True, slots=True)
class Credential:
    """Who a device is: what a pairing or an enrolment gave it.

    `session` is set for a guest, whom a session's code brought in; such a credential ends with
    the session.
    """

    site: str
    device: str
    role: Role
    secret: str = field(repr=False)
    session: str | None = None

    @classmethod
    def from_grant(cls, grant: PairingGrant) -> Self:
        """Take what a grant holds."""
        return cls(grant.site, grant.device, grant.role, grant.secret, grant.session)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read the file that `save` wrote; raises OSError, or ValueError for any other file."""
        try:
            body = json.loads(Path(path).read_bytes())
            grant = PairingGrant.model_validate_json(json.dumps(body))
        except ValueError:
            # Without the cause: it would repeat the secret.
            raise ValueError(f"{os.fspath(path)} holds no credential") from None
        return cls.from_grant(grant)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file that its owner alone can read, whole or not at all."""
        body = {"v": VERSION, **{k: v for k, v in asdict(self).items() if v is not None}}
        write_private(Path(path), json.dumps(body, indent=2).encode() + b"\n")
