"""Starts our broker as `handrail broker run` does."""

import sys
from pathlib import Path

from broker.standalone.serve import run_standalone

if __name__ == "__main__":
    sys.exit(run_standalone(Path(sys.argv[1])))
