"""A log line of the controller: a sentence, and fields that programs can read."""

import json
import re

Value = str | int | float
"""An id, a count, an address or a word of ours; never what a person entered."""

_PLAIN = re.compile(r"[\w.:@/|+%-]+", re.ASCII)


class LogLine:
    """The message of a log record: `str` appends the fields to the sentence as `key=value`."""

    __slots__ = ("fields", "sentence")

    def __init__(self, sentence: str, **fields: Value | None) -> None:
        self.sentence = sentence
        self.fields = {name: value for name, value in fields.items() if value is not None}

    def __str__(self) -> str:
        pairs = (f"{name}={_written(value)}" for name, value in self.fields.items())
        return " ".join((self.sentence, *pairs))


def _written(value: Value) -> str:
    """Return a value on one line, in quotes and with escapes where it needs them."""
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if _PLAIN.fullmatch(text) else json.dumps(text)
