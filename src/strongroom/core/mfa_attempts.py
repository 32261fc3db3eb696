"""`Attempts`: how often somebody may try codes at a second factor.

After as many wrong codes as the method allows, further ones are refused unlooked at: for one period of the codes, and
twice as long each time it comes to that again, up to 15 minutes. The right code, or an hour without any, forgets it.
In memory only.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from strongroom.api.fields import short_duration
from strongroom.clock import Clock
from strongroom.errors import StrongroomError

LONGEST: Final = 900
QUIET: Final = 3600.0
MOST: Final = 100_000

Who = tuple[str, str]


class TooMany(StrongroomError):
    """No more attempts for now; the text is for the client."""


@dataclass(slots=True)
class _Tries:
    count: int = 0
    last: float = 0
    until: float = 0
    locks: int = 0


class Attempts:
    """The attempts of late, by method and entity; of too many the one that has been quiet longest is forgotten."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries: OrderedDict[Who, _Tries] = OrderedDict()

    def begin(self, who: Who, most: int, period: int) -> None:
        """Count an attempt before its code is looked at.

        Raises:
            TooMany: there were too many.
        """
        now = self._clock.monotonic()
        tries = self._tries.pop(who, None)
        if tries is None or now - tries.last >= QUIET:
            tries = _Tries()
        self._tries[who] = tries
        if len(self._tries) > MOST:
            self._tries.popitem(last=False)
        if tries.count >= most:
            if now < tries.until:
                wait = max(int(tries.until - now), 1)
                raise TooMany(
                    f"maximum TOTP validation attempts {tries.count + 1} exceeded the allowed attempts {most}. "
                    f"Please try again in {short_duration(wait)}"
                )
            tries.count = 0
        tries.count, tries.last = tries.count + 1, now
        if tries.count >= most:
            tries.until = now + min(period << min(tries.locks, 10), LONGEST)
            tries.locks += 1

    def forget(self, who: Who) -> None:
        """Somebody brought the right code."""
        self._tries.pop(who, None)
