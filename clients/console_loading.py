"""Commands that are loaded when they are called for: each start loads one, `--help` all."""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer

from clients.console_errors import FriendlyGroup


class LazyGroup(FriendlyGroup):
    """The commands in the order of `places`, which says where each is."""

    places: ClassVar[Mapping[str, str | None]] = {}
    """`module` has a command of this name in its `app`, `module:app` is a group; None: is here."""

    def __init__(self, *, commands: Any, **attributes: Any) -> None:
        all_of_them: Any = _Commands(self.places, commands)  # no dict, as typer says it wants
        super().__init__(commands=all_of_them, **attributes)


class _Commands(Mapping[str, Any]):
    """Commands by name; what is not here is loaded when it is asked for."""

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
