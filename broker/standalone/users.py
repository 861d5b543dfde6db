"""Authentication of the standalone broker: users and passwords of a rules file."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets

from broker.access.identity import Credentials, Identity

from .passwords import NOBODY, PasswordHash
from .rules_file import ANONYMOUS, RulesFile


class Users:
    """Users of the rules file in force."""

    def __init__(self, file: RulesFile) -> None:
        self._key = secrets.token_bytes(32)
        self._checking: dict[bytes, asyncio.Task[bool]] = {}
        self.replace_file(file)

    def replace_file(self, file: RulesFile) -> None:
        """Replace the rules file; cached password checks are discarded."""
        self._file = file
        self._hashes = {
            name: PasswordHash.parse(user.password) for name, user in file.users.items()
        }
        self._verified: dict[str, bytes] = {}

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the rules file in force."""
        return tuple(self._file.roles)

    async def authenticate(self, credentials: Credentials) -> Identity | None:
        """Return the identity for a correct password, the anonymous identity, or None."""
        file, name = self._file, credentials.username
        if name is None:
            role = file.anonymous.role if file.anonymous is not None else None
            return Identity(ANONYMOUS, role) if role is not None else None
        user = file.users.get(name)
        if not await self._password_matches(name, credentials.password or b"") or user is None:
            return None
        if self._file is not file:  # reloaded meanwhile: check again
            return await self.authenticate(credentials)
        return Identity(name, user.role, user.client_id)

    async def _password_matches(self, name: str, password: bytes) -> bool:
        """Return whether a password is correct; checked off the event loop, and cached.

        After a power cut all screens reconnect at once, and scrypt takes 50 ms and 16 MiB each;
        clients with the same user and password share one check.
        """
        fingerprint = hmac.digest(self._key, name.encode() + b"\0" + password, hashlib.sha256)
        if hmac.compare_digest(self._verified.get(name, b""), fingerprint):
            return True
        check = self._checking.get(fingerprint)
        if check is None:
            check = self._checking[fingerprint] = asyncio.create_task(
                self._check(name, password, fingerprint)
            )
        try:
            return await asyncio.shield(check)
        finally:
            if check.done():
                self._checking.pop(fingerprint, None)

    async def _check(self, name: str, password: bytes, fingerprint: bytes) -> bool:
        verified = self._verified
        known = self._hashes.get(name, NOBODY)
        correct = await asyncio.to_thread(known.matches, password)
        if correct:
            verified[name] = fingerprint
        return correct

    def users_to_disconnect(self, new: RulesFile) -> set[str]:
        """Return the users to disconnect when `new` takes effect."""
        old = self._file
        gone = {name for name, user in old.users.items() if new.users.get(name) != user}
        if old.anonymous is not None and old.anonymous != new.anonymous:
            gone.add(ANONYMOUS)
        return gone
