"""The record on paper: a `Record` as an accessible PDF (docs/record.md).

render(record, paper="us-letter") -> PDF
render_apart(record, paper="us-letter", seconds=120) -> the same, in a process of its own
"""

from session_controller.printing.apart import SECONDS, render_apart
from session_controller.printing.rendering import Paper, render
from session_controller.printing.typesetting import TypesettingError

__all__ = ["SECONDS", "Paper", "TypesettingError", "render", "render_apart"]
