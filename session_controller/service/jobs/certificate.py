"""Keeps the certificate of the embedded broker valid and in use, without a restart."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from session_controller.errors import CertificateError, type_and_place
from session_controller.security.encryption import BoxKeyError, required_box_keys
from session_controller.security.own_tls import OwnTls, read_certificates

_log = logging.getLogger(__name__)

_LOOK_EVERY_S = 60.0
_CHECK_EVERY = timedelta(days=1)
_NEW_CA = (
    "it was not renewed; if its CA expires too, make another with `handrail tls create --force`, "
    "and trust it on each screen"
)
_WARN_BEFORE = timedelta(days=30)


class CertificateJob:
    """Renews the box's own certificate, warns before the end of any, and reloads changed files."""

    def __init__(
        self,
        data: Path,
        site: str,
        files: tuple[Path, ...],
        own: OwnTls | None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """`files` are the certificate, its key and other files; `own` is None if they are given."""
        self._data, self._site, self._files, self._own = data, site, files, own
        self._clock = clock
        self._checked = self._clock() - _CHECK_EVERY
        self._stamps = self._stamp()
        self.ends: datetime | None = None
        """When the certificate in use ends, if it could be read."""

    def prepare(self) -> None:
        """Renew the own certificate before the start, if it is due.

        Raises `CertificateError` if there is none that can be used.
        """
        if self._own is not None and (why := self._own.due(self._clock())):
            self._renew(self._own, why)
            self._stamps = self._stamp()
            if not self._own.fits():
                raise CertificateError(
                    f"the box's certificate in {self._files[0].parent} cannot be used; restore a "
                    "backup, make a new CA with `handrail tls create --force`, or pass --no-tls"
                )
        self._read_end()

    async def keep(self, reload: Callable[[], str | None]) -> None:
        """Look after the certificate, until cancelled; `reload` is that of the broker."""
        while True:
            self.look(reload)
            await asyncio.sleep(_LOOK_EVERY_S)

    def look(self, reload: Callable[[], str | None]) -> None:
        """Once a day, renew what is due and warn; reload files that changed."""
        if abs(self._clock() - self._checked) >= _CHECK_EVERY:  # the clock may be set back
            self._checked = self._clock()
            self._check()
        if self._stamp() != self._stamps:
            self.reload(reload)

    def reload(self, reload: Callable[[], str | None]) -> None:
        """Use the files as they are now for new connections; log what becomes of it."""
        self._stamps = self._stamp()
        if problem := reload():
            _log.error(
                "the certificate is not reloaded, the previous one stays in use: %s", problem
            )
            return
        self._read_end()
        _log.info("new connections get the certificate in %s", self._files[0])

    def _read_end(self) -> None:
        with suppress(CertificateError, OSError):
            self.ends = read_certificates(self._files[0])[0].not_valid_after_utc

    def _check(self) -> None:
        try:
            if self._own is not None and (why := self._own.due(self._clock())):
                self._renew(self._own, why)
            self._warn()
        except (CertificateError, OSError) as error:
            _log.error("the certificate cannot be checked: %s", error)

    def _renew(self, own: OwnTls, why: str) -> None:
        try:
            own.renew(self._site, None, required_box_keys(self._data), self._clock())
        except (CertificateError, BoxKeyError) as error:
            _log.error("the certificate must be renewed (%s) and cannot be: %s", why, error)
        except OSError as error:
            _log.error("the certificate cannot be renewed: %s", type_and_place(error))
        else:
            _log.info("renewed the certificate: %s", why)

    def _warn(self) -> None:
        end = read_certificates(self._files[0])[0].not_valid_after_utc
        left = end - self._clock()
        if left < timedelta(0):
            _log.error("the certificate expired on %s: screens cannot connect", f"{end:%Y-%m-%d}")
        elif left < _WARN_BEFORE:
            advice = f"renew {self._files[0]}" if self._own is None else _NEW_CA
            _log.warning("the certificate expires on %s: %s", f"{end:%Y-%m-%d}", advice)

    def _stamp(self) -> list[tuple[int, int] | None]:
        return [_stamp(path) for path in self._files]


def _stamp(path: Path) -> tuple[int, int] | None:
    """Return what changes when a file is replaced, or None if it cannot be read."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
