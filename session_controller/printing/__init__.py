"""The record on paper: a `Record` as an accessible PDF (docs/record.md).

    render(record, paper="us-letter") -> PDF

Pure as far as the fonts of the machine are the same: the same record gives the same bytes.
"""

from session_controller.printing.rendering import Paper, render
from session_controller.printing.typesetting import TypesettingError

__all__ = ["Paper", "TypesettingError", "render"]
