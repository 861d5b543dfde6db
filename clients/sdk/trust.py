"""Which certificates of a box a client accepts."""

import os
import ssl
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from clients.sdk.address import Address
from clients.sdk.errors import InvalidInput


def tls_for(
    address: Address,
    given: ssl.SSLContext | None,
    environment: Mapping[str, str] = os.environ,
) -> ssl.SSLContext | None:
    """Return the TLS context for an address, or None if it is one without TLS.

    Without a given one, it trusts the CAs of this machine, those in the file `HANDRAIL_CA`, and the
    CA of the box whose data folder is `HANDRAIL_DATA`. Raises InvalidInput.
    """
    if not address.tls or given is not None:
        return given if address.tls else None
    context = ssl.create_default_context()
    if file := environment.get("HANDRAIL_CA"):
        try:
            context.load_verify_locations(file)
        except OSError as error:  # ssl.SSLError is one
            why = "does not contain CA certificates (PEM)"
            if not isinstance(error, ssl.SSLError):
                why = f"cannot be read: {error.strerror}"
            raise InvalidInput({"HANDRAIL_CA": f"names {file}, which {why}"}) from None
    elif data := environment.get("HANDRAIL_DATA"):
        with suppress(OSError):
            context.load_verify_locations(Path(data) / "tls" / "ca.pem")
    return context
