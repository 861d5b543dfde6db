"""Inspect a document read from stdin and write the result to stdout.

`python -P -m session_controller.media` is a separate process, so that a document that crashes a
decoder harms nothing else.
"""

import os
import sys

from session_controller.media import inspection, letters, limits


def main() -> None:
    """Answer one question and exit without cleanup, which the decoders do not need."""
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
