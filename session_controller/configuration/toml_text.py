"""The text of a configuration file: a commented one, and where in it a key stands."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from session_controller.configuration.sections import Known, known, sections
from session_controller.configuration.values import written
from session_controller.errors import ConfigurationError

_HEAD = """\
# The configuration of Handrail. A line that begins with # is not in force: it shows the default, or
# an example where there is none. After a change:
#     handrail config check
#     systemctl reload handrail   (or restart: `handrail config show` says which keys need it)
# Environment variables and options of `handrail serve` come before this file.
"""
_SECTION = re.compile(r"\s*\[([^\[\]]+)\]\s*(#.*)?")


def commented(values: Mapping[str, object] | None = None) -> str:
    """Return a file that explains each key, with the given values in force, by dotted key."""
    parts = [_HEAD]
    for section, kind in sections():
        parts.append(f"\n[{section}]\n# {' '.join((kind.__doc__ or '').split())}\n")
        parts += [_lines_of(one) for one in known() if one.section == section]
    return with_values("".join(parts), values or {})


def _lines_of(one: Known) -> str:
    value = one.default if one.default is not None else one.said.example
    return f"{_wrapped(one.said.about)}#{one.name} = {toml(value)}\n"


def _wrapped(text: str) -> str:
    import textwrap  # noqa: PLC0415 - the help of the command line reads this package

    return "".join(f"# {line}\n" for line in textwrap.wrap(text, 96))


def toml(value: object) -> str:
    """Return a value as TOML."""
    if isinstance(value, bool):
        return written(value)
    return json.dumps(written(value), ensure_ascii=False)


def line_of(text: str, section: str, key: str | None) -> int | None:
    """Return the line, from 1, of a key that is in force, or of its section; None if absent."""
    wanted = None if key is None else re.compile(rf"\s*\"?{re.escape(key)}\"?\s*[=.]")
    for number, current, line in _by_section(text):
        if current == section and (_SECTION.fullmatch(line) if not wanted else wanted.match(line)):
            return number
    return None


def with_values(text: str, values: Mapping[str, object]) -> str:
    """Return a file with other values, by dotted key, and all else as it was.

    Raises `ConfigurationError` for a file that is written in a way that this cannot change.
    """
    lines = text.splitlines()
    for path, value in values.items():
        section, _, key = path.partition(".")
        _set(lines, section, key, f"{key} = {toml(value)}")
    changed = "\n".join(lines) + "\n"
    for path, value in values.items():
        if toml(_value(changed, path)) != toml(value):
            raise ConfigurationError(f"set {path} = {toml(value)} by hand")
    return changed


def _value(text: str, path: str) -> object:
    section, _, key = path.partition(".")
    with suppress(tomllib.TOMLDecodeError, AttributeError):
        return tomllib.loads(text).get(section, {}).get(key)
    return None


def _set(lines: list[str], section: str, key: str, line: str) -> None:
    """Replace the line of a key, in force or commented out, or add one to its section."""
    there = re.compile(rf"\s*{key}\s*=")
    commented_out = re.compile(rf"\s*#\s*{key}\s*=")
    text = "\n".join(lines)
    for pattern in (there, commented_out):
        for number, current, old in _by_section(text):
            if current == section and pattern.match(old):
                lines[number - 1] = line
                return
    if (head := line_of(text, section, None)) is not None:
        lines.insert(head, line)
    else:
        lines += ["", f"[{section}]", line]


def _by_section(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the lines with their numbers and the sections that they are in."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if found := _SECTION.fullmatch(line):
            section = found[1].strip()
        yield number, section, line


def read_text(file: Path) -> str:
    """Return the text of a configuration file. Raises `ConfigurationError`."""
    if file.is_fifo() and not file.is_relative_to("/dev"):  # as a shell's <(…) is
        raise ConfigurationError(f"{file}: is a pipe, which nothing may ever write to, and no file")
    try:
        return file.read_text("utf-8")
    except FileNotFoundError as error:
        if file.is_symlink():
            text = f"{file}: is a link to {file.readlink()}, which does not exist"
            raise ConfigurationError(text) from None
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    except OSError as error:
        raise ConfigurationError(f"{file}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"{file}: must be encoded in UTF-8") from None
