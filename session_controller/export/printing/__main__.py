"""`python -m session_controller.export.printing`: typeset a record in a separate process.

Reads a packed sheet from standard input and writes the PDF to standard output; on failure, exits
with 1 without a message.
"""

import sys

from session_controller.export.printing.apart import main

if __name__ == "__main__":
    sys.exit(main())
