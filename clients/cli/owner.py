"""Act as the owner of the data folder: a file that root creates there keeps the box from working.

So `sudo handrail …` does on a service's folder what the service's own user would do.
"""

import errno
import os
import pwd
from pathlib import Path

import typer

_KEY = f"{__name__}.note"
_PROGRAM = (__file__, os.__file__)


def act_as_owner(context: typer.Context, data: Path | None) -> Path | None:
    """Drop root's privileges for those of a data folder's owner; return the folder.

    With root's own folder, or a missing one, nothing changes. Raises `PermissionError`.
    """
    if data is None or os.geteuid() != 0 or not data.exists():
        return data
    found = data.stat()
    if found.st_uid != 0:
        context.meta[_KEY] = _note(_become(found.st_uid, found.st_gid, data), data)
    return data


def note(context: typer.Context) -> str | None:
    """Return which user a command acts as and what follows, or None if it is who started it."""
    found: str | None = context.meta.get(_KEY)
    return found


def _become(user: int, group: int, data: Path) -> str:
    """Change to a user and its groups, or to `group` if it has no name; return what it is called.

    Raises `PermissionError` if the process may not, or if the user cannot read the program.
    """
    try:
        entry = pwd.getpwuid(user)
    except KeyError:
        name, groups = str(user), [group]
    else:
        name, group = entry.pw_name, entry.pw_gid
        groups = os.getgrouplist(name, group)
    try:
        os.setgroups(groups)
    except PermissionError:
        problem = f"cannot act as user {name}, its owner; run the command as that user"
        raise PermissionError(errno.EPERM, problem, str(data)) from None
    os.setgid(group)
    os.setuid(user)
    for place in _PROGRAM:
        if not os.access(place, os.R_OK):
            problem = f"user {name}, who owns the data folder, cannot read the program"
            raise PermissionError(errno.EACCES, problem, place)
    return name


def _note(name: str, data: Path) -> str:
    return (
        f"run by root, this command acts as user {name}, the owner of {data}: give that user "
        "access to the file or folder, or choose another that it can use"
    )
