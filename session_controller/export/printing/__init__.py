"""A `Record` as an accessible PDF (docs/reference/record.md).

render(record, paper="us-letter") -> PDF
render_apart(record, paper="us-letter", seconds=120) -> the same, in a separate process
"""

from session_controller.export.printing.apart import SECONDS, render_apart
from session_controller.export.printing.rendering import Paper, render
from session_controller.export.printing.typesetting import TypesettingError

__all__ = ["SECONDS", "Paper", "TypesettingError", "render", "render_apart"]
