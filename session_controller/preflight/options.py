"""Checks of how a box is set up: what is weak, and which files options name."""

from collections.abc import Iterator
from datetime import timedelta

from session_controller.errors import ConfigurationError
from session_controller.preflight.finding import (
    Finding,
    configure,
    critical,
    note,
    ok,
    warning,
)
from session_controller.preflight.subject import Subject

_LONG_IDLE, _LONG_UNLOCKED = timedelta(hours=24), timedelta(hours=1)


def configuration_findings(subject: Subject) -> Iterator[Finding]:
    """Yield what is wrong with the configuration file: a box does not start with it."""
    from session_controller.configuration.reading import configuration_file, read  # noqa: PLC0415

    file = subject.configuration
    try:
        if file is not None and not file.exists():
            yield critical("configuration", f"{file} does not exist", "handrail config create")
            return
        found = configuration_file(subject.data, file)
        if found is not None:
            read(found)
            yield ok("configuration", f"{found} can be used")
    except ConfigurationError as error:
        yield critical("configuration", str(error), "correct it, then: handrail config check")


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
