"""The credential check of `handrail broker`: users and passwords of a rules file."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import secrets

from .identity import Credentials, Identity
from .passwords import NOBODY, PasswordHash
from .rules_file import ANONYMOUS, RulesFile


class Users:
    """Checks credentials against the newest rules file it was given."""

    def __init__(self, file: RulesFile) -> None:
        self._key = secrets.token_bytes(32)
        self._checking: dict[bytes, asyncio.Task[bool]] = {}
        self.use(file)

    def use(self, file: RulesFile) -> None:
        """Take a new file; what was verified before is verified anew."""
        self._file = file
        self._hashes = {
            name: PasswordHash.parse(user.password) for name, user in file.users.items()
        }
        self._verified: dict[str, bytes] = {}

    @property
    def roles(self) -> tuple[str, ...]:
        """The roles of the file in force."""
        return tuple(self._file.roles)

    async def authenticate(self, credentials: Credentials) -> Identity | None:
        """Give the identity of a user with the right password, or the anonymous one."""
        file, name = self._file, credentials.username
        if name is None:
            role = file.anonymous.role if file.anonymous is not None else None
            return Identity(ANONYMOUS, role) if role is not None else None
        user = file.users.get(name)
        if not await self._right(name, credentials.password or b"") or user is None:
            return None
        if self._file is not file:  # reloaded meanwhile: ask the new one
            return await self.authenticate(credentials)
        return Identity(name, user.role, user.client_id)

    async def _right(self, name: str, password: bytes) -> bool:
        """Check a password off the event loop; one found right before is found at once again.

        After a power cut all screens come back together, and scrypt takes 50 ms and 16 MiB each;
        those with the same user and password share one check.
        """
        mark = hmac.digest(self._key, name.encode() + b"\0" + password, hashlib.sha256)
        if hmac.compare_digest(self._verified.get(name, b""), mark):
            return True
        check = self._checking.get(mark)
        if check is None:
            check = self._checking[mark] = asyncio.create_task(self._check(name, password, mark))
        try:
            return await asyncio.shield(check)
        finally:
            if check.done():
                self._checking.pop(mark, None)

    async def _check(self, name: str, password: bytes, mark: bytes) -> bool:
        verified = self._verified
        known = self._hashes.get(name, NOBODY)
        right = await asyncio.to_thread(known.matches, password)
        if right:
            verified[name] = mark
        return right

    def changed(self, new: RulesFile) -> set[str]:
        """Name the users whose connections must end when `new` takes effect."""
        old = self._file
        gone = {name for name, user in old.users.items() if new.users.get(name) != user}
        if old.anonymous is not None and old.anonymous != new.anonymous:
            gone.add(ANONYMOUS)
        return gone
