"""Retry delays: exponential backoff with jitter, for days if necessary."""

from datetime import datetime, timedelta

FIRST_S = 5.0
LONGEST_S = 1800.0
"""Half an hour: a server is found to be back before a person wonders."""
LONGEST_WISH_S = 24 * 3600.0
"""Limit for Retry-After; a server that asks for more is tried again after a day."""
BEYOND = timedelta(seconds=LONGEST_WISH_S + LONGEST_S)
"""Longer than any delay: a later time was computed before the clock was set back."""
_MAX_EXPONENT = 30


def delay_s(failures: int, draw: float) -> float:
    """Return the seconds to wait after consecutive failures; `draw` is uniform in [0, 1).

    Between half the ceiling and the ceiling: never at once, and not in step with other boxes.
    """
    ceiling = min(LONGEST_S, FIRST_S * 2.0 ** min(max(failures, 1) - 1, _MAX_EXPONENT))
    return ceiling * (0.5 + draw / 2)


def is_due(next_at: datetime, now: datetime) -> bool:
    """Return whether a time has come, or was computed before the clock was set back."""
    return next_at <= now or next_at - now > BEYOND
