"""Commands imported on demand: running one imports one, `--help` imports all."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer

from clients.cli.errors import FriendlyGroup


class LazyGroup(FriendlyGroup):
    """A group with its commands in the order of `places`, which maps each to its module."""

    places: ClassVar[Mapping[str, str | None]] = {}
    """`module`: a command in its `app`. `module:app`: a group. None: already registered here."""

    def __init__(self, *, commands: Any, **attributes: Any) -> None:
        all_of_them: Any = _Commands(
            self.places, commands
        )  # a Mapping, where typer declares a dict
        super().__init__(commands=all_of_them, **attributes)


class _Commands(Mapping[str, Any]):
    """Commands by name; each is imported on first access."""

    def __init__(self, places: Mapping[str, str | None], here: Mapping[str, Any]) -> None:
        self._places = places
        self._loaded = dict(here)

    def __getitem__(self, name: str) -> Any:
        place = self._places[name]
        if name not in self._loaded and place is not None:
            self._loaded[name] = _load(name, place)
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)


def _load(name: str, place: str) -> Any:
    module, _, group = place.partition(":")
    found = getattr(import_module(module), group or "app")
    if not group:
        return typer.main.get_group(found).commands[name]
    around = typer.Typer()
    around.add_typer(found, name=name)
    return typer.main.get_group(around).commands[name]
