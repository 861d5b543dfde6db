"""When to try again: exponential back-off with jitter, for days if need be."""

from datetime import datetime, timedelta

FIRST_S = 5.0
LONGEST_S = 1800.0
"""Half an hour: a server that is back is found before a person wonders."""
LONGEST_WISH_S = 24 * 3600.0
"""What a server may ask for with Retry-After; one that wants more is asked again after a day."""
BEYOND = timedelta(seconds=LONGEST_WISH_S + LONGEST_S)
"""No delay is as long: what is due later was planned before the clock was set back."""
_MAX_EXPONENT = 30


def delay_s(failures: int, draw: float) -> float:
    """Give the seconds to wait after so many failures in a row; `draw` is evenly from [0, 1).

    Between half the ceiling and all of it: never at once, and not in step with other boxes.
    """
    ceiling = min(LONGEST_S, FIRST_S * 2.0 ** min(max(failures, 1) - 1, _MAX_EXPONENT))
    return ceiling * (0.5 + draw / 2)


def is_due(next_at: datetime, now: datetime) -> bool:
    """Tell whether a moment has come, or was planned by a clock that has been set back since."""
    return next_at <= now or next_at - now > BEYOND
