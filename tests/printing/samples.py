"""Pictures of a record, for eyes: `python -m tests.printing.samples FOLDER` (needs pdftoppm)."""

import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

from session_controller.export.printing import render
from session_controller.export.record import Record
from tests.flow.filling import our_flow
from tests.printing import pictures
from tests.printing.making import document, filled_record

_CARDS = (
    ("United States of America", 'rgb("#3d2b56")'),
    ("Cigna Health", 'rgb("#0b5563")'),
    ("For emergencies call 911", 'rgb("#6b4a1c")'),
)

_SHOWN = {"answers": 1, "documents": 3, "consent": 5, "evidence": 7}
"""Pages of the example, by the name of the picture."""


def example() -> Record:
    """Return the record of the example, with plausible documents."""
    record = filled_record(our_flow("pre-registration"))
    answers = record.state.answers
    name = f"{answers['first-name']} {answers['last-name']}"
    documents = [
        document(one.field_id, pictures.card(*card, name=name), "image/png")
        for one, card in zip(record.documents, _CARDS, strict=True)
    ]
    signatures = [replace(one, printed_name=name) for one in record.signatures]
    return replace(record, documents=tuple(documents), signatures=tuple(signatures))


def main() -> None:
    """Print the example and take its pictures."""
    folder = Path(sys.argv[1])
    with tempfile.NamedTemporaryFile(suffix=".pdf") as file:
        file.write(render(example()))
        file.flush()
        for name, page in _SHOWN.items():
            pages = ["-f", str(page), "-l", str(page), "-singlefile"]
            order = ["pdftoppm", "-png", "-r", "80", *pages, file.name, folder / f"record-{name}"]
            subprocess.run(order, check=True)


if __name__ == "__main__":
    main()
