"""When passwords are rotated: every so often, or by a cron schedule with a window after each of its times."""

from __future__ import annotations

from typing import Final, Protocol

from strongroom.engines.database import cron
from strongroom.engines.database.engine import SECONDS_NS
from strongroom.errors import BadRequest

SHORTEST_PERIOD: Final = 5
SHORTEST_WINDOW: Final = 3600


class Rotated(Protocol):
    """What has a schedule. Durations are seconds, the time Unix nanoseconds."""

    @property
    def rotation_period(self) -> int:
        """How often; 0 for by schedule, or never."""

    @property
    def rotation_schedule(self) -> str:
        """When, in cron's way; "" for by period, or never."""

    @property
    def rotation_window(self) -> int:
        """How long after a time of the schedule it may still be done; 0 for any time."""

    @property
    def last_rotation_ns(self) -> int:
        """When it was done last."""


def check(what: Rotated) -> None:
    """Refuse a schedule that makes no sense; having none is fine here."""
    if what.rotation_period and what.rotation_schedule:
        raise BadRequest(
            "mutually exclusive fields rotation_period and rotation_schedule were both specified; "
            "only one of them can be provided"
        )
    if what.rotation_schedule:
        try:
            cron.parse(what.rotation_schedule)
        except cron.CronError as error:
            raise BadRequest(f"could not parse rotation_schedule: {error}") from None
        if 0 < what.rotation_window < SHORTEST_WINDOW:
            raise BadRequest(f"rotation_window must be {SHORTEST_WINDOW} seconds or more")
    elif what.rotation_window:
        raise BadRequest("rotation_window is invalid with use of rotation_period")
    if what.rotation_period and what.rotation_period < SHORTEST_PERIOD:
        raise BadRequest(f"rotation_period must be {SHORTEST_PERIOD} seconds or more")


def due_ns(what: Rotated, now_ns: int) -> int:
    """When it is to be rotated next, in Unix nanoseconds; 0 for never. May lie in the past."""
    if what.rotation_period:
        return what.last_rotation_ns + what.rotation_period * SECONDS_NS
    if not what.rotation_schedule:
        return 0
    schedule = cron.parse(what.rotation_schedule)
    due = schedule.after(what.last_rotation_ns)
    if what.rotation_window and now_ns > due + what.rotation_window * SECONDS_NS:
        # Its window has passed: the latest one that has not, or the next.
        due = schedule.after(now_ns - what.rotation_window * SECONDS_NS)
    return due
