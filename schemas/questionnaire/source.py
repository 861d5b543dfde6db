"""The text of a file that a person names, or why it has none."""


def text_of(source: bytes) -> str:
    """Return the text of a file. Raises ValueError with the end of a sentence about the file."""
    if not source.strip():
        raise ValueError("is empty")
    try:
        return source.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"is not text in UTF-8 (byte {error.start + 1}); is it the right file?"
        ) from None
