"""Reads the configuration: defaults, then the file, then the environment, then the options."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError, create_model
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from session_controller.configuration.sections import Known, Sections, known, sections
from session_controller.configuration.toml_text import line_of, read_text
from session_controller.configuration.values import written
from session_controller.data_folder import CONFIGURATION_FILE
from session_controller.errors import ConfigurationError

DEFAULT, FILE, ENVIRONMENT, OPTION = "default", "file", "environment", "option"
PREFIX = "HANDRAIL_"
_OF_COMMANDS = ("DATA", "CONFIG", "BOX_KEY", "CA", "URL", "FONTS", "DEBUG", "VERSION")
_OF_TESTS = ("CLEAN_DEBIAN", "DEBIAN_ROOT", "FAULTS", "FIGURES", "FORMS", "SCREENS")
OTHER_VARIABLES = tuple(f"{PREFIX}{name}" for name in (*_OF_COMMANDS, *_OF_TESTS))
"""Variables that set no key: of commands, of the container, and of the tests."""
_OTHERS = 0o007
_Layer = Mapping[str, Any]
"""Values of one source, by section and key."""


@dataclass(frozen=True, slots=True)
class Configured:
    """The configuration in force, and where each value is from."""

    sections: Sections
    file: Path | None
    """The file that was read, if there is one."""
    sources: Mapping[str, str] = field(default_factory=dict)
    """Where each value is from that is not the default, by dotted key."""

    def value(self, one: Known) -> Any:
        """Return the value of a key."""
        return getattr(getattr(self.sections, one.section), one.name)

    def shown(self, one: Known) -> str | None:
        """Return the value of a key as text, without secrets; None if it has none."""
        value = self.value(one)
        if value is None:
            return None
        return written(one.said.hide(value) if one.said.hide else value)

    def chosen(self) -> dict[str, str]:
        """Return what is not as by default, as text without secrets, by dotted key."""
        return {
            one.path: self.shown(one) or ""
            for one in known()
            if self.value(one) != one.default and self.value(one) is not None
        }

    def changes(self, other: "Configured") -> list[Known]:
        """Return the keys whose values differ from another configuration's."""
        return [one for one in known() if self.value(one) != other.value(one)]


class _Settings(BaseSettings):
    """Reads one source after the other: the values come merged, as arguments."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
        extra="forbid",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the arguments alone."""
        return (init_settings,)


@lru_cache
def _model() -> type[_Settings]:
    kinds: dict[str, Any] = {name: (kind, kind()) for name, kind in sections()}
    return create_model("Configuration", __base__=_Settings, **kinds)


def configuration_file(data: Path, named: Path | None) -> Path | None:
    """Return the file to read: the one that was named, or that of the data folder if it exists.

    Raises `OSError` for a data folder that cannot be one.
    """
    if named is not None:
        return named
    with suppress(FileNotFoundError):
        (data / CONFIGURATION_FILE).lstat()  # a link to nothing must not count as no file
        return data / CONFIGURATION_FILE
    return None


def read(file: Path | None, options: _Layer | None = None) -> Configured:
    """Return the configuration. Raises `ConfigurationError`, with a line for each fault.

    `options` are what was passed to the command, by section and key. A file that does not exist is
    a fault: somebody has named it.
    """
    text = read_text(file) if file else ""
    layers = {FILE: _from_file(file, text), ENVIRONMENT: _from_environment()}
    layers[OPTION] = InitSettingsSource(_model(), dict(options or {}))()
    merged: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for source, layer in layers.items():
        for section, values in layer.items():
            if not isinstance(values, Mapping):
                merged[section] = values
                continue
            merged[section] = {**merged.get(section, {}), **values}
            sources |= {f"{section}.{name}": source for name in values}
    try:
        found = _model()(**merged)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        place = _Place(file, text, sources)
        raise ConfigurationError(
            "\n".join(_fault(one, place) for one in place.sorted(faults))
        ) from None
    values = {one.name: getattr(found, one.name) for one in fields(Sections)}
    configured = Configured(Sections(**values), file, sources)
    if file is not None:
        _refuse_open_secrets(file, layers[FILE])
    return configured


def _from_file(file: Path | None, text: str) -> dict[str, Any]:
    """Return what a file says; names of files in it are relative to its folder."""
    try:
        found = InitSettingsSource(_model(), tomllib.loads(text))()
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{file}: is not TOML: {error}") from None
    for one in known():
        values = found.get(one.section)
        if one.type == Path | None and file and isinstance(values, dict):
            value = values.get(one.name)
            if isinstance(value, str):
                values[one.name] = str(file.absolute().parent / value)
    return found


def _from_environment() -> dict[str, Any]:
    try:
        return EnvSettingsSource(_model())()
    except SettingsError as error:
        section = next((name for name, _ in sections() if f'"{name}"' in str(error)), "section")
        name = f"HANDRAIL_{section}".upper()
        raise ConfigurationError(
            f"{name}: names no key; the variables of this section are {_variables(section)}"
        ) from None


def _variables(section: str) -> str:
    return ", ".join(one.variable for one in known() if one.section == section)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where values are from, to name it."""

    file: Path | None
    text: str
    sources: Mapping[str, str]

    def sorted(self, faults: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
        """Return faults in the order of the file."""
        return sorted(faults, key=lambda fault: self._line(*_names(fault)) or 0)

    def _line(self, section: str, key: str | None) -> int | None:
        return line_of(self.text, section, key)

    def of(self, section: str, key: str | None) -> str:
        """Return the place of a key, or of a section, as the one who wrote it knows it."""
        source = self.sources.get(f"{section}.{key}", FILE)
        one = next((one for one in known() if (one.section, one.name) == (section, key)), None)
        if source == OPTION and one is not None:
            return f"{one.said.option}"
        if source == ENVIRONMENT:
            return f"HANDRAIL_{section}_{key}".upper()
        line = self._line(section, key)
        name = f"[{section}] {key}" if key is not None else f"[{section}]"
        return f"{self.file}:{line}: {name}" if line else f"{self.file}: {name}"


def _names(fault: Mapping[str, Any]) -> tuple[str, str | None]:
    """Return the section and the key of a fault; no key if it is the section's."""
    section, *below = map(str, fault["loc"])
    return section, below[0] if below else None


def _fault(fault: Mapping[str, Any], place: _Place) -> str:
    section, key = _names(fault)
    kinds = [name for name, _ in sections()]
    if section not in kinds:
        known_ones = " ".join(f"[{name}]" for name in kinds)
        return f"{place.of(section, None)}: unknown section;{_near(section, kinds)} {known_ones}"
    if key is None:
        return f"{place.of(section, None)}: must be a section with keys"
    keys = [one.name for one in known() if one.section == section]
    if key not in keys:
        hint = _near(key, keys)
        return f"{place.of(section, key)}: unknown key;{hint} [{section}] has {', '.join(keys)}"
    return f"{place.of(section, key)}: {_wrong(fault)}"


def unknown_variables(environment: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Yield the variables of an environment that nothing reads, each with the nearest name.

    A key that its section does not have is not among them: `read` refuses it.
    """
    keys = {one.variable.removeprefix(PREFIX): one.variable for one in known()}
    by_key = {one.name.upper(): one.variable for one in reversed(list(known()))}
    others = {name.removeprefix(PREFIX): name for name in OTHER_VARIABLES}
    names = {**by_key, **others, **keys}
    begun = tuple(f"{name}_".upper() for name, _ in sections())
    for variable, value in environment.items():
        short = variable.upper().removeprefix(PREFIX)
        if not value or not variable.upper().startswith(PREFIX) or variable in OTHER_VARIABLES:
            continue
        if short in keys or short.startswith(begun):
            continue
        yield variable, next((names[n] for n in get_close_matches(short, names, 1)), None)


def _near(name: str, names: list[str]) -> str:
    return "".join(f" did you mean {one}?" for one in get_close_matches(name, names, 1))


def _wrong(fault: Mapping[str, Any]) -> str:
    """Return what is wrong with a value."""
    context = fault.get("ctx", {})
    if "error" in context:
        return str(context["error"])
    if fault["type"] == "enum":
        return f"must be {context['expected']}"
    return _WRONG.get(fault["type"], "is not valid")


_WRONG = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "path_type": "must be text in quotes: the name of a file",
}


def _refuse_open_secrets(file: Path, layer: _Layer) -> None:
    secrets = list(_secrets(layer))
    if secrets and file.stat().st_mode & _OTHERS:
        raise ConfigurationError(
            f"{file}: contains a password ({secrets[0].path}), and all users can read it; run "
            f"`chmod o= {file}`, or set {secrets[0].variable} in the environment"
        )


def _secrets(layer: _Layer) -> Iterator[Known]:
    """Yield the keys of a file that hold secrets."""
    for one in known():
        value = layer.get(one.section, {}).get(one.name)
        if one.said.hide and isinstance(value, str) and one.said.hide(value) != value:
            yield one
