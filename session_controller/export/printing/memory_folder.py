"""A folder with files in memory: the content of documents must not be written to disk."""

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

_OPEN_FILES = Path("/proc/self/fd")
_IN_MEMORY = hasattr(os, "memfd_create") and _OPEN_FILES.is_dir()


@contextmanager
def folder_of(files: Mapping[str, bytes]) -> Iterator[Path]:
    """Yield a folder with only these files, for this process; it is removed afterwards.

    On Linux it contains links to anonymous files in memory (memfd_create(2)). Elsewhere they are
    temporary files that only their owner can read.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="handrail-")))
        for name, data in files.items():
            if _IN_MEMORY:
                file = stack.enter_context(os.fdopen(os.memfd_create(name), "wb"))
                file.write(data)
                file.flush()
                (folder / name).symlink_to(_OPEN_FILES / str(file.fileno()))
            else:
                (folder / name).write_bytes(data)
        yield folder
