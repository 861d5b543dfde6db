"""The YAML rules file of `handrail broker`: listeners, users, roles and limits.

Errors name the line. docs/reference/broker.md describes the format.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from broker.access.rules import Rules
from broker.settings import SAME_ORIGIN, BrokerSettings, Limits, Listener, Tls

from .passwords import PasswordHash

ANONYMOUS = "anonymous"
"""The user name of clients that connect without one, if the file allows it."""


class RulesFileError(Exception):
    """The file is invalid; the message has one line per error."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsSection(_Section):
    """Certificate files of a listener, relative to the rules file."""

    certificate: Path
    key: Path
    client_ca: Path | None = None
    client_certificate: Literal["optional", "required"] = "required"


class ListenerSection(_Section):
    """One listener."""

    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65_535)
    kind: Literal["mqtt", "http"] = "mqtt"
    tls: TlsSection | None = None
    origins: tuple[str, ...] = (SAME_ORIGIN,)


class UserSection(_Section):
    """One user."""

    password: str = Field(repr=False)
    role: str
    client_id: str | None = None

    @field_validator("password")
    @classmethod
    def _is_hash(cls, value: str) -> str:
        PasswordHash.parse(value)
        return value


class RoleSection(_Section):
    """The permissions of a role, as topic patterns."""

    publish: tuple[str, ...] = ()
    subscribe: tuple[str, ...] = ()
    deny_publish: tuple[str, ...] = ()
    deny_subscribe: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _are_filters(self) -> RoleSection:
        self.rules()
        return self

    def rules(self) -> Rules:
        """Return the rules of the role."""
        return Rules(self.publish, self.subscribe, self.deny_publish, self.deny_subscribe)


class AnonymousSection(_Section):
    """Clients without a user name are accepted only if this section is present."""

    role: str


class RulesFile(_Section):
    """The whole file."""

    listeners: dict[str, ListenerSection] = Field(
        default_factory=lambda: {"mqtt": ListenerSection(port=1883)}, min_length=1
    )
    users: dict[str, UserSection] = Field(default_factory=dict)
    anonymous: AnonymousSection | None = None
    roles: dict[str, RoleSection]
    limits: dict[str, float] = Field(default_factory=dict)
    sys_seconds: float = Field(default=10.0, ge=0)

    @field_validator("limits")
    @classmethod
    def _known_limits(cls, value: dict[str, float]) -> dict[str, float]:
        known = {each.name for each in fields(Limits)}
        for name, number in value.items():
            if name not in known:
                raise ValueError(f"{name} is not a limit; known limits: {', '.join(sorted(known))}")
            if not number > 0:
                raise ValueError(f"{name} must be greater than 0")
        return value

    @model_validator(mode="after")
    def _roles_exist(self) -> RulesFile:
        if ANONYMOUS in self.users:
            raise ValueError(f"users: {ANONYMOUS!r} is reserved for clients without a user name")
        named = {f"users.{name}.role": user.role for name, user in self.users.items()}
        if self.anonymous is not None:
            named["anonymous.role"] = self.anonymous.role
        for place, role in named.items():
            if role not in self.roles:
                raise ValueError(f"{place}: role {role!r} is not defined under roles")
        return self

    def settings(self, folder: Path) -> BrokerSettings:
        """Return the settings of the broker; certificate files are relative to `folder`."""
        defaults = Limits()
        limits = {
            name: type(getattr(defaults, name))(number) for name, number in self.limits.items()
        }
        return BrokerSettings(
            listeners={name: _listener(each, folder) for name, each in self.listeners.items()},
            limits=Limits(**limits),
            sys_seconds=self.sys_seconds,
        )

    def rules(self) -> dict[str, Rules]:
        """Return the rules by role."""
        return {name: role.rules() for name, role in self.roles.items()}


def _listener(section: ListenerSection, folder: Path) -> Listener:
    tls = None
    if section.tls is not None:
        ca = section.tls.client_ca
        tls = Tls(
            folder / section.tls.certificate,
            folder / section.tls.key,
            folder / ca if ca is not None else None,
            section.tls.client_certificate,
        )
    return Listener(section.host, section.port, section.kind, tls, section.origins)


def load_rules_file(path: Path) -> RulesFile:
    """Load and validate a rules file. Raises RulesFileError."""
    try:
        text = path.read_text(encoding="utf-8")
        tree = yaml.compose(text, Loader=yaml.SafeLoader)
        _refuse_duplicates(tree, path)
        content = yaml.safe_load(text)
    except OSError as error:
        raise RulesFileError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise RulesFileError(f"{path}: is not text in UTF-8 (byte {error.start + 1})") from None
    except RecursionError:
        raise RulesFileError(f"{path}: invalid YAML: nested too deeply") from None
    except yaml.YAMLError as error:
        raise RulesFileError(f"{path}: invalid YAML: {error}") from None
    try:
        return RulesFile.model_validate(content)
    except ValidationError as error:
        faults = [_fault(path, tree, each["loc"], each["msg"]) for each in error.errors()]
        raise RulesFileError("\n".join(faults)) from None


def _fault(path: Path, tree: yaml.Node | None, loc: tuple[int | str, ...], message: str) -> str:
    place = ".".join(str(part) for part in loc) or "the file"
    return f"{path}:{_line(tree, loc)}: {place}: {message.removeprefix('Value error, ')}"


def _line(node: yaml.Node | None, loc: tuple[int | str, ...]) -> int:
    """Return the line of the innermost part of `loc` that is in the file."""
    line = 1
    for part in loc:
        if isinstance(node, yaml.MappingNode):
            found = next(((k, v) for k, v in node.value if k.value == str(part)), None)
            if found is None:
                return line
            line, node = found[0].start_mark.line + 1, found[1]
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
            line = node.start_mark.line + 1
    return line


def _refuse_duplicates(node: yaml.Node | None, path: Path) -> None:
    """Raise RulesFileError for a duplicate key, of which PyYAML silently uses the last."""
    children: list[Any] = []
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            if key.value in seen:
                line = key.start_mark.line + 1
                raise RulesFileError(f"{path}:{line}: duplicate key {key.value}")
            seen.add(key.value)
            children.append(value)
    elif isinstance(node, yaml.SequenceNode):
        children = node.value
    for child in children:
        _refuse_duplicates(child, path)
