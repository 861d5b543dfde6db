"""Generate `docs/reference/states.md` from the table of moves: `./run states`."""

import sys

from session_controller.engine.moves import BLOCKED, MOVES, Move, Phase

_HEAD = """# States and moves

Generated from the table in `session_controller/engine/moves.py`; a test compares them. Regenerate
it with `./run states`.

A session is in one of four phases. Pausing suspends a signature; ending a session is final:

```mermaid
stateDiagram-v2
    [*] --> open: OPEN_SESSION
    open --> signing: REQUEST_SIGNATURE
    signing --> open: SUBMIT_SIGNATURE, DECLINE_SIGNATURE, CANCEL_SIGNATURE
    open --> paused: PAUSE
    signing --> paused: PAUSE
    paused --> open: RESUME
    paused --> signing: RESUME, if a signature is requested
    open --> ended: COMPLETE, CANCEL, expiry
    signing --> ended: CANCEL, expiry
    paused --> ended: CANCEL, expiry
    ended --> [*]
```

`yes`: the command is legal, and its own conditions are checked. Otherwise it is refused with the
code shown. A command from the wrong role is refused as `not_allowed_for_role`, one from a facility
screen that is not the host as `not_the_host`. `TAKE_OVER` is also legal in a paused session whose
host has left or is offline.

"""


def states_page() -> str:
    """Return the page in Markdown."""
    head = ["command", "who", *Phase]
    lines = [_row(head), _row(["---"] * len(head))]
    lines += [_row(_cells(command.__name__, move)) for command, move in MOVES.items()]
    return _HEAD + "\n".join(lines) + "\n"


def _cells(name: str, move: Move) -> list[str]:
    return [
        f"`{_wire_name(name)}`",
        move.party.value,
        *("yes" if phase in move.phases else f"`{BLOCKED[phase].code}`" for phase in Phase),
    ]


def _wire_name(name: str) -> str:
    return "".join(f"_{c}" if c.isupper() else c.upper() for c in name).lstrip("_")


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    sys.stdout.write(states_page())
