"""Why a delivery failed: found from an error, and said in words with what to do."""

import errno
import socket
import ssl
from collections.abc import Mapping
from typing import NamedTuple

from session_controller.delivery.outcomes import Reason


class Cause(NamedTuple):
    """A reason in words."""

    text: str
    """What is so, without a full stop."""
    mend: str
    """What to do."""


_CLOCK = "check this box's clock with `timedatectl`"
_WAIT = "nothing: the box tries again by itself"
_BY_REASON: Mapping[str, Cause] = {
    Reason.NAME_NOT_FOUND: Cause(
        "the server's name is not found", "check the name in the address, and this box's DNS"
    ),
    Reason.CONNECTION_REFUSED: Cause(
        "the connection is refused: nothing listens at this port, or a firewall rejects it",
        "check that the server runs, the port in the address, and the firewall",
    ),
    Reason.NO_ROUTE: Cause(
        "there is no route to the server", "check the network cable, the gateway and the VPN"
    ),
    Reason.UNREACHABLE: Cause(
        "the server cannot be reached", "check the address, the network and the firewall"
    ),
    Reason.CERTIFICATE_EXPIRED: Cause(
        "the server's certificate has expired",
        f"{_CLOCK}; if it is right, the operator of the server must renew the certificate",
    ),
    Reason.CERTIFICATE_NOT_YET_VALID: Cause(
        "the server's certificate is not valid yet",
        f"{_CLOCK}: it is probably slow; if it is right, ask the operator of the server",
    ),
    Reason.WRONG_NAME: Cause(
        "the server's certificate belongs to another name",
        "use a name that is in the certificate in the address; an IP address is rarely in one",
    ),
    Reason.UNKNOWN_AUTHORITY: Cause(
        "the server's certificate is of an authority that this box does not know",
        "name the certificate of a private authority with `--ca FILE`; the server may also lack "
        "its intermediate certificate, or a firewall may inspect TLS",
    ),
    Reason.TLS_TOO_OLD: Cause(
        "the server's TLS is too old: no version or cipher in common",
        "the operator of the server must allow TLS 1.2 or 1.3",
    ),
    Reason.NOT_TLS: Cause(
        "the server answers without TLS at this port",
        "check the port in the address: that of TLS is another one",
    ),
    Reason.TLS_FAILED: Cause(
        "the TLS handshake failed",
        "ask the operator of the server whether it wants a client certificate, which Handrail "
        "does not send; `openssl s_client -connect HOST:PORT` shows more",
    ),
    Reason.TIMED_OUT: Cause(
        "the server does not answer in time",
        "check that no firewall drops the packets; otherwise wait: the box tries again by itself",
    ),
    Reason.NO_ANSWER_YET: Cause(
        "it was sent, and the destination has not answered yet",
        "wait; if it stays so, look at the log of the destination",
    ),
    Reason.NOT_ACKNOWLEDGED: Cause(
        "the broker accepts the connection and does not acknowledge the message",
        "check the broker's log, its maximum message size and its access rules",
    ),
    Reason.CUT: Cause(
        "the connection ended before the answer",
        "wait: the box tries again by itself; if it lasts, look at the log of the destination "
        "and at its maximum message size",
    ),
    Reason.REDIRECTED: Cause(
        "the server refers to another address, which is not followed",
        "use the address that `handrail deliver show` names; a guest network may want a sign-in",
    ),
    Reason.NOT_FHIR: Cause(
        "the answer is not FHIR",
        "check the address; a proxy or the page of a sign-in may have answered",
    ),
    Reason.WRONG_ADDRESS: Cause(
        "there is no FHIR server at this path (404)",
        "check the base URL: `[base]/metadata` must show a CapabilityStatement",
    ),
    Reason.PROXY: Cause(
        "a proxy in between wants a password (407)",
        "let this box reach the server directly: it uses no proxy",
    ),
    Reason.BUSY: Cause("the server, or a proxy before it, is overloaded or being updated", _WAIT),
    Reason.SERVER_ERROR: Cause(
        "the server failed", "wait, and report it to the operator of the server"
    ),
    Reason.CONFLICT: Cause(
        "another system writes the same resources", "wait; after five tries it is refused"
    ),
    Reason.NOT_AUTHORIZED: Cause(
        "the server does not accept the credential (401)",
        "check that the token or the client is known to the server and has not ended",
    ),
    Reason.FORBIDDEN: Cause(
        "the server does not allow this to the credential (403)",
        "ask the operator of the server for the permission to write; check `--scope`",
    ),
    Reason.NO_TOKEN: Cause(
        "the authorization server gives no token",
        f"check `--client-id`, `--key-id` and the key; {_CLOCK}",
    ),
    Reason.TOKEN_NOT_ENCRYPTED: Cause(
        "the server names an address for tokens that is not encrypted",
        "pass the right one with `--token-url https://…`",
    ),
    Reason.NO_SECRET: Cause(
        "a file with a key, token, password or certificate cannot be read, or is not one",
        "check the file's path, content and permissions: the box's user must be able to read it",
    ),
    Reason.NO_FOLDER: Cause(
        "the folder is missing, or cannot be written to",
        "mount it, make room there, or correct its permissions; an installed box needs "
        "`ReadWritePaths=`",
    ),
    Reason.BROKER_REFUSES: Cause(
        "the broker refuses the connection",
        "check user, password and the broker's access rules, also for the client id",
    ),
    Reason.UNKNOWN_DESTINATION: Cause(
        "the destination is not configured any more",
        "add it again, or give up with `handrail deliver remove NAME --undelivered`",
    ),
    Reason.PATIENT_NOT_IDENTIFIED: Cause(
        "the patient is not identified",
        "`handrail session identify SESSION` states who it is, and so does the front desk's page",
    ),
    Reason.DEFECT: Cause(
        "an error of Handrail: the record could not be written in this format", "report it"
    ),
}
_REFUSED: Mapping[int | None, Cause] = {
    413: Cause("refused: too large", "ask the operator of the server to allow larger requests"),
    412: Cause(
        "refused: the server has a resource with this identifier twice",
        "remove the duplicate at the server, then `handrail deliver retry`",
    ),
    415: Cause("refused: the server does not take FHIR as JSON", "check the address"),
}


def cause_of(reason: str, status: int | None = None) -> Cause:
    """Return a reason in words; `refused` is one, told apart by its HTTP status."""
    if reason == "refused":
        return _REFUSED.get(status) or Cause(
            "refused: the server does not accept the content",
            "`handrail deliver show SESSION` shows what it said; correct that, then "
            "`handrail deliver retry`",
        )
    return _BY_REASON.get(reason) or Cause(reason, "`handrail deliver show SESSION` shows more")


def in_words(reason: str | None, status: int | None = None) -> str:
    """Return why a delivery failed, with the HTTP status, or an empty string if it did not."""
    if reason is None:
        return ""
    text = cause_of(reason, status).text
    return f"{text} ({status})" if status and str(status) not in text else text


# --- from an error -------------------------------------------------------------------------

_VERIFY: Mapping[int, Reason] = {
    9: Reason.CERTIFICATE_NOT_YET_VALID,
    10: Reason.CERTIFICATE_EXPIRED,
    **dict.fromkeys((18, 19, 20, 21), Reason.UNKNOWN_AUTHORITY),
    **dict.fromkeys((62, 64), Reason.WRONG_NAME),
}
"""By OpenSSL's X509_V_ERR_…; 18 and 19 are self-signed, 20 and 21 lack an issuer."""
_TLS: Mapping[str, Reason] = {
    **dict.fromkeys(
        (
            "TLSV1_ALERT_PROTOCOL_VERSION",
            "UNSUPPORTED_PROTOCOL",
            "WRONG_SSL_VERSION",
            "SSLV3_ALERT_HANDSHAKE_FAILURE",
            "TLSV1_ALERT_INSUFFICIENT_SECURITY",
            "DH_KEY_TOO_SMALL",
        ),
        Reason.TLS_TOO_OLD,
    ),
    **dict.fromkeys(
        ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"),
        Reason.NOT_TLS,
    ),
}
"""By OpenSSL's name of the error."""
_NO_ROUTE = {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN}
_KINDS: tuple[tuple[tuple[type[Exception], ...], Reason], ...] = (
    ((FileNotFoundError, PermissionError, IsADirectoryError), Reason.NO_SECRET),
    ((socket.gaierror,), Reason.NAME_NOT_FOUND),
    ((TimeoutError,), Reason.TIMED_OUT),
    ((ConnectionRefusedError,), Reason.CONNECTION_REFUSED),
    ((ConnectionError, EOFError), Reason.CUT),
)


def reason_of(error: Exception) -> Reason:
    """Classify an error of a connection, without its text, which may quote an address."""
    match error:
        case ssl.SSLCertVerificationError():
            return _VERIFY.get(error.verify_code, Reason.TLS_FAILED)
        case ssl.SSLEOFError():
            return Reason.CUT
        case ssl.SSLError():
            return _TLS.get(getattr(error, "reason", ""), Reason.TLS_FAILED)
        case OSError(errno=number) if number in _NO_ROUTE:
            return Reason.NO_ROUTE
    found = (reason for kinds, reason in _KINDS if isinstance(error, kinds))
    return next(found, Reason.UNREACHABLE)
