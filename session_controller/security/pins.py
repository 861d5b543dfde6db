"""PINs of persons: which are refused, and their hashes (Argon2id, RFC 9106).

A PIN of six digits can be guessed from its hash in hours. So what is hashed is keyed with one of
the box's keys: without it, as in a backup, the hash says nothing.
"""

import hmac
import secrets

LEAST_DIGITS, MOST_DIGITS = 6, 12
_MEMORY_KIB = 19 * 1024
"""With two passes, the least that OWASP's Password Storage Cheat Sheet names; 0.1 s on a Pi 4."""
_PASSES = 2
_LEAST_DIFFERENT = 3
_RUN = "01234567890123456789"


def pin_problem(pin: str) -> str | None:
    """Return why a PIN is refused, or None; the text does not repeat it."""
    if not (pin.isascii() and pin.isdecimal() and LEAST_DIGITS <= len(pin) <= MOST_DIGITS):
        return f"must be {LEAST_DIGITS} to {MOST_DIGITS} digits"
    if len(set(pin)) < _LEAST_DIFFERENT or _repeats(pin):
        return "must not repeat the same digits"
    if pin in _RUN or pin in _RUN[::-1]:
        return "must not be a row of digits such as 123456"
    return None


def _repeats(pin: str) -> bool:
    """Return whether it is a shorter text several times, such as 123123."""
    return pin in (pin + pin)[1:-1]


def new_pin() -> str:
    """Return a random PIN."""
    while True:
        pin = f"{secrets.randbelow(10**LEAST_DIGITS):0{LEAST_DIGITS}}"
        if pin_problem(pin) is None:
            return pin


def hash_pin(key: bytes, person: str, pin: str) -> str:
    """Hash a PIN; takes a tenth of a second or more, and 19 MiB."""
    from argon2 import PasswordHasher  # noqa: PLC0415 - only where there are persons

    hasher = PasswordHasher(time_cost=_PASSES, memory_cost=_MEMORY_KIB, parallelism=1)
    return hasher.hash(_keyed(key, person, pin))


def is_pin(key: bytes, person: str, pin: str, pin_hash: str) -> bool:
    """Return whether a PIN is the one of a hash; takes as long as `hash_pin`."""
    from argon2 import PasswordHasher  # noqa: PLC0415
    from argon2.exceptions import InvalidHashError, VerificationError  # noqa: PLC0415

    try:
        return PasswordHasher().verify(pin_hash, _keyed(key, person, pin))
    except (VerificationError, InvalidHashError):
        return False


def _keyed(key: bytes, person: str, pin: str) -> bytes:
    return hmac.digest(key, f"pin:{person}:{pin}".encode(errors="surrogatepass"), "sha256")


LOCKED_AFTER = 5
"""Wrong PINs in a row."""
_FIRST_LOCK_S = 60.0
_LONGEST_LOCK_S = 24 * 3600.0


def lock_seconds(wrong: int) -> float:
    """Return how long so many wrong PINs in a row lock; each one more doubles it, up to a day."""
    if wrong < LOCKED_AFTER:
        return 0.0
    doublings = min(wrong - LOCKED_AFTER, 20)
    return min(_FIRST_LOCK_S * (1 << doublings), _LONGEST_LOCK_S)
