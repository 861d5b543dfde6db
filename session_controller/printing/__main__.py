"""`python -m session_controller.printing`: set a record in a process of its own (`apart`).

Takes a written-up record on standard input, gives the PDF on standard output; exits with 1, and
says nothing, where that fails.
"""

import sys

from session_controller.printing.apart import main

if __name__ == "__main__":
    sys.exit(main())
