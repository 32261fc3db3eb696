"""Cron schedules, in UTC: `minute hour day-of-month month day-of-week`, and `@hourly` to `@yearly`.

Each field is `*`, `?`, a number, a range, a step (`*/5`, `10-50/10`) or a list of these; months and days of the week
also have names. If both kinds of day are restricted, either will do, as in crontab(5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

_MONTH_NAMES: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS: Final = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS: Final = {name: number for number, name in enumerate(_DAY_NAMES)}
_FIELDS: Final[tuple[tuple[int, int, dict[str, int]], ...]] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (0, 7, _DAYS),
)
_WORDS: Final = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_PART: Final = re.compile(r"(?:([*?])|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([0-9]{1,2}))?")
#: The longest that two times of a schedule can lie apart: 29 February, over a century without a leap day.
_FARTHEST_DAYS: Final = 9 * 366


class CronError(ValueError):
    """A schedule that cannot be read, or never comes."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that has been read."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    #: Whether either kind of day will do.
    either: bool

    def after(self, at_ns: int) -> int:
        """The next time after a moment, both in Unix nanoseconds; raises `CronError` when there is none."""
        start = datetime.fromtimestamp(at_ns // 1_000_000_000, UTC).replace(second=0) + timedelta(minutes=1)
        day = start.replace(hour=0, minute=0)
        for _ in range(_FARTHEST_DAYS):
            if self._on(day):
                for hour in sorted(self.hours):
                    for minute in sorted(self.minutes):
                        moment = day.replace(hour=hour, minute=minute)
                        if moment >= start:
                            return int(moment.timestamp()) * 1_000_000_000
            day += timedelta(days=1)
        raise CronError("there is no such day")

    def _on(self, day: datetime) -> bool:
        if day.month not in self.months:
            return False
        of_month, of_week = day.day in self.days, day.isoweekday() % 7 in self.weekdays
        return of_month or of_week if self.either else of_month and of_week


def parse(text: str) -> Schedule:
    """Read a schedule; raises `CronError`."""
    fields = _WORDS.get(text.strip().lower(), text).lower().split()
    if len(fields) != len(_FIELDS):
        raise CronError(f"expected exactly {len(_FIELDS)} fields, found {len(fields)}")
    read = [_field(field, *bounds) for field, bounds in zip(fields, _FIELDS, strict=True)]
    open_ = [field[0] in "*?" for field in fields]
    weekdays = frozenset(day % 7 for day in read[4])
    schedule = Schedule(read[0], read[1], read[2], read[3], weekdays, not (open_[2] or open_[4]))
    schedule.after(0)
    return schedule


def _field(text: str, low: int, high: int, names: dict[str, int]) -> frozenset[int]:
    values: set[int] = set()
    for part in text.split(","):
        match = _PART.fullmatch(part)
        if match is None:
            raise CronError("a field cannot be read")
        if match[1]:
            first, last = low, high
        else:
            first = _number(match[2], names)
            last = _number(match[3], names) if match[3] else high if match[4] else first
        step = int(match[4] or 1)
        if not low <= first <= last <= high or not step:
            raise CronError("a field is out of range")
        values.update(range(first, last + 1, step))
    return frozenset(values)


def _number(text: str, names: dict[str, int]) -> int:
    if text.isdigit():
        return int(text)
    if text not in names:
        raise CronError("a field cannot be read")
    return names[text]
