"""What is seldom needed is loaded when it is needed."""

import pytest
import typer

import clients
from cli import Commands, app


def test_each_command_is_where_it_is_said_to_be() -> None:
    """All that the help lists can be loaded, and none that `cli.py` has is left out."""
    commands = typer.main.get_command(app).commands
    assert {name: command.name for name, command in commands.items()} == {
        name: name for name in Commands.places
    }
    here = {info.name or info.callback.__name__ for info in app.registered_commands}
    assert here == {name for name, place in Commands.places.items() if place is None}


def test_the_sdk_gives_all_that_it_names() -> None:
    """`from clients import …` works for each public name, and for no other."""
    assert all(getattr(clients, name) is not None for name in clients.__all__)
    with pytest.raises(AttributeError):
        clients.no_such_thing  # noqa: B018
