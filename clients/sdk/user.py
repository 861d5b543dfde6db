"""The user of the operating system who runs a program, for the box's log."""

import os
import pwd
from functools import cache

_CHARACTERS = 64


@cache
def os_user() -> str:
    """Return who started this program: the user that sudo names, or else the process's own.

    It says who asked; it proves nothing.
    """
    name = os.environ.get("SUDO_USER") or _name_of(os.getuid())
    return name[:_CHARACTERS] if name.isprintable() else str(os.getuid())


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
