"""Checks of how a box is set up: what is weak, and which files options name."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from session_controller.configuration.openid import openid_problem
from session_controller.errors import ConfigurationError, StoreError
from session_controller.preflight.finding import (
    Finding,
    configure,
    critical,
    note,
    ok,
    warning,
)
from session_controller.preflight.subject import Subject
from session_controller.storage.reader import Reader

_CORRECT = "correct it, then: handrail config check"
_LONG_IDLE, _LONG_UNLOCKED = timedelta(hours=24), timedelta(hours=1)


def configuration_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with the configuration file: a box does not start with it."""
    from session_controller.configuration.reading import configuration_file, read  # noqa: PLC0415

    try:
        found = configuration_file(subject.data, subject.configuration)
        if found is not None and (unreadable := _unreadable(found)):
            yield critical("configuration", *unreadable)
            return
        sections = read(found).sections  # without a file, what the environment says
    except ConfigurationError as error:
        yield critical("configuration", str(error), _CORRECT)
        return
    if problem := openid_problem(sections.oidc):
        yield critical("configuration", problem, _CORRECT)
    elif found is not None:
        yield ok("configuration", f"{found} can be used")


def _unreadable(file: Path) -> tuple[str, str] | None:
    """Return why a configuration file cannot be read and what mends that, or None if it can."""
    if file.is_symlink() and not file.exists():
        text = f"{file} is a link to {file.readlink()}, which does not exist"
        return text, f"rm {file}; handrail config create, or put back what it leads to"
    if not file.exists():
        return f"{file} does not exist", "handrail config create"
    if file.is_dir():
        return f"{file} is a folder", f"mv {file} {file}.aside; handrail config create"
    if not os.access(file, os.R_OK):
        own = file.stat().st_uid == os.geteuid()
        mend = f"chmod u+r {file}" if own else f"sudo chgrp handrail {file}; sudo chmod g+r {file}"
        return f"this user cannot read {file}", mend
    return None


def environment_findings(subject: Subject) -> Iterator[Finding]:  # noqa: ARG001 - as each check
    """Yield variables of this process's environment that nothing reads: misspelt ones."""
    from session_controller.configuration.reading import unknown_variables  # noqa: PLC0415

    for variable, near in unknown_variables(os.environ):
        hint = f"; did you mean {near}?" if near else ""
        mend = f"unset {variable}; in a service, correct it where it is set (serve.env)"
        yield warning("environment", f"{variable} is set, and nothing reads it{hint}", mend)


def site_findings(subject: Subject) -> Iterator[Finding]:
    """Yield that the configuration names another site than the data folder's, which is fixed."""
    wanted = subject.start.site
    if wanted is None or not subject.database.exists():
        return
    with (
        suppress(sqlite3.Error, StoreError),
        Reader.without_keys(subject.database) as reader,
    ):
        known = reader.meta("site")
        if known is not None and known != wanted:
            text = (
                f"{subject.data} belongs to site {known!r}, which its devices know, and the "
                f"configuration names {wanted!r}"
            )
            mend = f"{configure('site', 'name', known, '--site')}, or use another --data"
            yield critical("site", text, mend)


def option_findings(subject: Subject) -> Iterator[Finding]:
    """Yield settings that leave patients' data open for longer than a clinic needs."""
    found = [*_weak(subject), *_files(subject)]
    yield from found or [ok("settings", "none leaves data open for longer than needed")]


def _weak(subject: Subject) -> Iterator[Finding]:
    start = subject.start
    if start.screen_lock == timedelta() or start.screen_lock > _LONG_UNLOCKED:
        text = "a patient screen that is left alone shows answers for more than an hour"
        yield warning(
            "settings",
            text,
            configure("sessions", "screen_lock", "10m", "--screen-lock"),
        )
    if start.idle_limit > _LONG_IDLE:
        text = "a session that is left alone stays open for more than a day"
        yield warning(
            "settings",
            text,
            configure("sessions", "idle_limit", "4h", "--idle-limit"),
        )
    if not start.purges:
        text = "completed sessions stay on the box until somebody purges them"
        yield note(
            "settings",
            text,
            configure("retention", "completed", "1d", "--purge-completed"),
        )


def _files(subject: Subject) -> Iterator[Finding]:
    start = subject.start
    if start.token_file is not None and not start.token_file.is_file():
        text = f"the token for /metrics, {start.token_file}, is not there"
        mend = f"openssl rand -hex 32 > {start.token_file}; chmod 600 {start.token_file}"
        yield critical("settings", text, mend)
    if start.fonts is not None and not start.fonts.is_dir():
        text = f"the folder of fonts, {start.fonts}, is not there: some letters will not be printed"
        yield warning("settings", text, f"mkdir {start.fonts}, or unset HANDRAIL_FONTS")
