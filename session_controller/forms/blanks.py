"""Characters around a text that nobody sees, and that would break its rules."""

_SPACES = (
    "\t\n\x0b\x0c\r\x1c\x1d\x1e\x1f \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006"
    "\u2007\u2008\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)
"""White space as Unicode defines it, and the separators that `str.strip` counts as such."""

_ZERO_WIDTH = "\u00ad\u180e\u200b\u200c\u2060\ufeff"
"""Not U+200D: at the end of an Arabic letter it shows, as the letter's joining form."""

_DIRECTIONS = "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
"""Address books put these marks around the phone numbers that are copied from them."""

_UNSEEN = _SPACES + _ZERO_WIDTH + _DIRECTIONS


def trimmed(text: str) -> str:
    """Return a text without the white space and the invisible characters around it."""
    return text.strip(_UNSEEN)
