"""The configuration of a box as its commands use it: read, checked, and applied while it runs."""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import astuple
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from clients.cli.context import USAGE, Failure
from clients.cli.logs import log_to_stderr
from session_controller.errors import ConfigurationError

if TYPE_CHECKING:
    from session_controller.backup.backups import BackupPlan
    from session_controller.backup.off_box import CopyPlan
    from session_controller.configuration.reading import Configured
    from session_controller.configuration.sections import Sections
    from session_controller.openid.settings import OpenIdSettings
    from session_controller.security.tls_files import TlsFiles
    from session_controller.service.monitoring.alert_channels import AlertSettings
    from session_controller.settings import Settings

_log = logging.getLogger(__name__)
_LEAST_TOKEN = 16
"""Characters of a token: of a random one, 64 bits and more."""


def configured(
    data: Path, named: Path | None, options: Mapping[str, Mapping[str, Any]] | None = None
) -> "Configured":
    """Return the configuration of a data folder's box, checked. Raises `Failure`.

    `named` is a file that the command or the environment names; `options` are by section and key.
    """
    from session_controller.configuration.reading import configuration_file, read

    if named is not None and not named.exists():
        raise Failure(
            f"the configuration {named} does not exist; make one with `handrail setup`, or with "
            "`handrail config create`",
            USAGE,
        )
    try:
        return read(configuration_file(data, named), options)
    except ConfigurationError as error:
        raise Failure(f"the configuration cannot be used:\n{error}", USAGE) from None


def check(found: "Configured", data: Path) -> None:
    """Check what the keys mean together, and the files that they name. Raises `Failure`."""
    check_addresses(found)
    check_files(found, data)


def check_addresses(found: "Configured") -> None:
    """Check that the box can listen on all addresses at once. Raises `Failure`."""
    from session_controller.preflight.network import shared_port
    from session_controller.preflight.start_options import start_options

    if shared := shared_port(start_options(found.sections).listen):
        raise Failure("; ".join(shared), USAGE)


def check_files(found: "Configured", data: Path) -> None:
    """Check what the keys of TLS, metrics and alerts mean, with their files. Raises `Failure`."""
    tls = tls_files(found.sections, data)
    if tls and (problem := _tls_problem(tls)):
        raise Failure(f"cannot use TLS: {problem}", USAGE)
    metrics_token(found.sections.metrics.token_file)
    alerts_of(found.sections)
    openid_of(found.sections)


def _tls_problem(tls: "TlsFiles") -> str | None:
    """Return why the files of TLS cannot be used, or None."""
    if tls.own:  # the box makes its certificate again if it cannot be used
        return _ca_problem(tls.client_ca)
    from broker import Tls, tls_problem

    return tls_problem(Tls(tls.certificate, tls.key, tls.client_ca))


def _ca_problem(file: Path | None) -> str | None:
    """Return why a file of CAs cannot be used, or None."""
    import ssl

    try:
        if file is not None:
            ssl.create_default_context(cafile=str(file))
    except ssl.SSLError:
        return f"{file} does not contain CA certificates (PEM)"
    except OSError as error:
        return f"{file}: {error.strerror}"
    return None


def tls_files(found: "Sections", data: Path) -> "TlsFiles | None":
    """Return the certificate files of a box: given ones, or its own. None: without TLS.

    Raises `Failure` for an invalid combination, which names the options of the keys.
    """
    from session_controller.preflight.network import beyond_this_machine
    from session_controller.preflight.start_options import start_options
    from session_controller.security.own_tls import OwnTls
    from session_controller.security.tls_files import TlsFiles

    tls, redirect, own = found.tls, found.listen.http_redirect, OwnTls(data)
    given = tls.certificate or tls.key or tls.client_ca
    if tls.off and (given or redirect):
        raise Failure(
            "--no-tls excludes the other options of TLS (in [tls]: `off`); omit one of them", USAGE
        )
    if found.broker.url is not None and (given or redirect):
        raise Failure(
            "TLS applies to the built-in broker; omit its options with --broker ([broker]: `url`)",
            USAGE,
        )
    if tls.certificate is not None and tls.key is not None:
        return TlsFiles(tls.certificate, tls.key, tls.client_ca)
    if tls.certificate or tls.key:
        raise Failure(
            "TLS requires both --tls-cert FILE and --tls-key FILE (in [tls]: `certificate`, `key`)",
            USAGE,
        )
    if own.exists and not tls.off and found.broker.url is None:
        return TlsFiles(own.certificate_file, own.key_file, tls.client_ca, own=True)
    if tls.client_ca or redirect:
        option = "--tls-client-ca" if tls.client_ca else "--http-redirect"
        raise Failure(
            f"{option} requires a certificate: make one with `handrail tls create`, or pass "
            "--tls-cert and --tls-key",
            USAGE,
        )
    if not tls.off and (open_to_all := beyond_this_machine(start_options(found).listen)):
        raise Failure(
            f"others on the network could read answers: no TLS at {', '.join(open_to_all)}; make a "
            "certificate with `handrail tls create`, or, if another program encrypts what comes "
            "here, pass --no-tls (in [tls]: `off`)",
            USAGE,
        )
    return None


def metrics_token(file: Path | None) -> str | None:
    """Return the token in a file. Raises `Failure` if it cannot be used."""
    if file is None:
        return None
    try:
        token = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise Failure(f"cannot read the token in {file}", USAGE) from None
    if len(token) < _LEAST_TOKEN or not token.isprintable() or " " in token:
        raise Failure(
            f"the token in {file} must be one word of at least {_LEAST_TOKEN} characters; "
            f"create one with `openssl rand -hex 32 > {file}`",
            USAGE,
        )
    return token


def alerts_of(found: "Sections") -> "AlertSettings":
    """Return where alerts go. Raises `Failure` if a channel is not whole."""
    from dataclasses import asdict

    from session_controller.service.monitoring.alert_channels import AlertSettings

    said = found.alerts
    if said.email_to and not (said.email_from and said.email_server):
        raise Failure("alerts.email_to requires alerts.email_from and alerts.email_server", USAGE)
    for name, value in asdict(said).items():
        if name.endswith("_file") and value is not None and not os.access(value, os.R_OK):
            raise Failure(f"alerts.{name}: cannot read {value}", USAGE)
    to = tuple(filter(None, (one.strip() for one in (said.email_to or "").split(","))))
    values = {name: getattr(said, name) for name in asdict(said)}
    texts = {name: values[name] or "" for name in ("email_from", "email_server")}
    return AlertSettings(**{**values, **texts, "email_to": to})


def openid_of(found: "Sections") -> "OpenIdSettings | None":
    """Return the provider with which staff sign in, if any. Raises `Failure` if it is not whole."""
    from session_controller.configuration.openid import openid_problem, openid_settings

    if problem := openid_problem(found.oidc):
        raise Failure(problem, USAGE)
    return openid_settings(found.oidc)


def settings_of(found: "Sections") -> "Settings":
    """Return the settings of sessions; the site's name is settled with the data folder."""
    from session_controller.settings import Settings

    return Settings(
        idle_limit=found.sessions.idle_limit,
        screen_lock=found.sessions.screen_lock,
        staff_log_off=found.sessions.staff_log_off,
        patient_copies=found.sessions.patient_copies,
        purge_completed=found.retention.completed,
        purge_cancelled=found.retention.cancelled,
    )


def plan_of(found: "Sections") -> "BackupPlan":
    """Return the plan of backups."""
    from session_controller.backup.backups import BackupPlan
    from session_controller.backup.keeping import Keep

    return BackupPlan(found.backup.every or None, Keep(*astuple(found.backup.keep)))


def copies_of(found: "Sections") -> "CopyPlan | None":
    """Return where backups are copied to, if anywhere."""
    from session_controller.backup.off_box import CopyPlan

    backup = found.backup
    return None if backup.to is None else CopyPlan(backup.to, backup.to_every)


class Changeable(Protocol):
    """The part of a running box that takes up a changed configuration."""

    def reload(self) -> None:
        """Read the certificate files again."""

    def apply(self, settings: "Settings", plan: "BackupPlan", chosen: Mapping[str, str]) -> None:
        """Use other settings from now on."""


class Reloader:
    """Reads the configuration of a running box again, and applies what can change."""

    def __init__(
        self, data: Path, current: "Configured", read_again: Callable[[], "Configured"]
    ) -> None:
        """`read_again` reads what was read at the start; it raises `Failure`."""
        self._data, self._current, self._read_again = data, current, read_again
        self._started, self._with_tls = current, self._has_tls(current)

    def reload(self, box: Changeable) -> None:
        """Apply what changed; if the configuration cannot be used, all stays as it was."""
        try:
            found = self._read_again()
        except Failure as error:
            _log.error("the configuration is not reloaded, all stays as it was: %s", error)
            return
        changed = [one for one in found.changes(self._current) if one.said.live]
        sections = found.sections
        if changed:
            log_to_stderr(sections.log.format, sections.log.level)
            box.apply(settings_of(sections), plan_of(sections), found.chosen())
        for one in changed:
            _log.info("the configuration changed: %s is %s", one.path, found.shown(one))
        self._current = found
        self._warn(found)
        box.reload()

    def _warn(self, found: "Configured") -> None:
        """Log what will be applied at the next start."""
        waiting = [one.path for one in found.changes(self._started) if not one.said.live]
        if self._has_tls(found) != self._with_tls and not waiting:
            waiting = ["the certificate of `handrail tls create`"]
        if waiting:
            _log.warning("restart the box to apply what changed: %s", ", ".join(waiting))

    def _has_tls(self, found: "Configured") -> bool:
        return tls_files(found.sections, self._data) is not None
