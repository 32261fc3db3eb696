"""When a file of audit lines begins anew, and what becomes of the earlier ones.

The current file keeps its name; an earlier one gets the moment of its end in it, in Unix nanoseconds:
`audit-1736245800000000000.log`. Options: `rotate_bytes` (the size that a file does not outgrow), `rotate_duration` (its
age, as `24h`), `rotate_max_files` (how many earlier ones stay; 0 for all).
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from strongroom.api.fields import Invalid, parse_duration
from strongroom.audit.device import go_quote, refuse

#: Below these a file a line would fill the folder.
LEAST_BYTES: Final = 4096
LEAST_SECONDS: Final = 60.0

#: The time that a line begins with, however it is formatted.
_TIME: Final = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d")
_HEAD: Final = 4096
_INTEGER: Final = re.compile("[0-9]{1,18}")


class Rotation:
    """The rules of one file. `max_bytes`, `max_seconds` and `keep` of 0 mean without limit."""

    __slots__ = ("keep", "max_bytes", "max_seconds")

    def __init__(self, options: Mapping[str, str]) -> None:
        self.max_bytes = _whole(options, "rotate_bytes")
        self.max_seconds = _seconds(options, "rotate_duration")
        self.keep = _whole(options, "rotate_max_files")
        if 0 < self.max_bytes < LEAST_BYTES:
            raise refuse(f"rotate_bytes must be at least {LEAST_BYTES}")
        if 0 < self.max_seconds < LEAST_SECONDS:
            raise refuse(f"rotate_duration must be at least {LEAST_SECONDS:.0f} seconds")

    def __bool__(self) -> bool:
        return bool(self.max_bytes or self.max_seconds)

    def due(self, size: int, began: float, more: int) -> bool:
        """Whether the file has to end before `more` bytes are added; `began` is a Unix time. An empty one stays."""
        if not size:
            return False
        too_long = 0 < self.max_bytes < size + more
        return too_long or (self.max_seconds > 0 and time.time() - began >= self.max_seconds)

    def put_aside(self, place: Path) -> None:
        """Move the file out of the way; raises `OSError`. One that is gone already is no failure."""
        with suppress(FileNotFoundError):
            place.rename(place.with_name(f"{place.stem}-{time.time_ns()}{place.suffix}"))

    def thin(self, place: Path) -> None:
        """Remove earlier files that are too many; raises `OSError`."""
        if self.keep:
            for path in earlier(place)[: -self.keep]:
                path.unlink(missing_ok=True)


def earlier(place: Path) -> list[Path]:
    """The earlier files of a place, the oldest first; nothing that is named otherwise."""
    pattern = re.compile(re.escape(place.stem) + r"-[0-9]{19}" + re.escape(place.suffix))
    return sorted(path for path in place.parent.iterdir() if pattern.fullmatch(path.name))


def beginning(place: str) -> float:
    """When the first line of a file was written (Unix time): as it says itself, else when the file was last changed."""
    try:
        with open(place, "rb", buffering=0) as file:  # noqa: PTH123 - unbuffered
            found = _TIME.search(file.read(_HEAD))
            changed = os.fstat(file.fileno()).st_mtime
    except OSError:  # may be written but not read
        return time.time()
    if found is None:
        return changed
    with suppress(ValueError):
        return datetime.fromisoformat(found[0].decode()).replace(tzinfo=UTC).timestamp()
    return changed


def _whole(options: Mapping[str, str], name: str) -> int:
    text = options.get(name, "")
    if text and not _INTEGER.fullmatch(text):
        raise refuse(f"strconv.ParseInt: parsing {go_quote(text)}: invalid syntax")
    return int(text or 0)


def _seconds(options: Mapping[str, str], name: str) -> float:
    text = options.get(name, "")
    try:
        seconds = parse_duration(text)
    except Invalid:
        seconds = -1.0
    if seconds < 0:
        raise refuse(f"time: invalid duration {go_quote(text)}")
    return seconds
