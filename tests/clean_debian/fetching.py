"""Fetches a file over HTTP, from a tablet's network: `fetching URL FILE`."""

import sys
import urllib.request
from pathlib import Path

if __name__ == "__main__":
    address, file = sys.argv[1:]
    with urllib.request.urlopen(address, timeout=20) as answer:  # noqa: S310 - our own box
        Path(file).write_bytes(answer.read())
