"""Reads one document on stdin and says on stdout what it is.

`python -P -m session_controller.media`: a process of its own, so that a document that breaks a
decoder breaks nothing else.
"""

import os
import sys

from session_controller.media import inspection, letters, limits


def main() -> None:
    """Answer one question and end; at once, since what the decoders hold needs no tidying."""
    limits.restrain()
    data, media_type, allowed = letters.read_question(sys.stdin.buffer.read())
    inspection.prepare(media_type)
    limits.open_nothing_more()
    answer = inspection.inspect(data, media_type, allowed)
    sys.stdout.buffer.write(letters.write_answer(answer))
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
