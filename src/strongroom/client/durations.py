"""Go durations, as people type them (`1h30m`, `90`) and as tables show them (`1h30m`). Values are nanoseconds."""

from __future__ import annotations

import re

_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "μs": 1_000,
    "ms": 1_000_000,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_DAY = 24 * 3600 * 10**9
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_DAYS = re.compile(r"([0-9]{1,9})d", re.ASCII)
#: What a signed 64-bit count of nanoseconds holds.
_LIMIT = 2**63 - 1


def parse_duration(text: str) -> int:
    """Nanoseconds. A bare number is seconds, `30d` whole days; raises `ValueError` with Go's words."""
    refused = ValueError(f'time: invalid duration "{text}"')
    sign, rest = (-1, text[1:]) if text[:1] == "-" else (1, text[1:] if text[:1] == "+" else text)
    if rest.isascii() and rest.isdecimal() and len(rest) < 20:
        rest += "s"
    if days := _DAYS.fullmatch(rest):
        total = int(days[1]) * _DAY
    elif rest and len(rest) < 200:
        total = place = 0
        while place < len(rest):
            part = _PART.match(rest, place)
            if part is None or not (part[1] or part[2]):
                raise refused
            unit = _UNITS[part[3]]
            total += int(part[1] or "0") * unit
            total += int(part[2] or "0") * unit // 10 ** len(part[2] or "")
            place = part.end()
    else:
        raise refused
    if total > _LIMIT:
        raise refused
    return sign * total


def go_duration(nanoseconds: int) -> str:
    """As Go prints it: `1h0m0s`, `1.5s`, `0s`."""
    if nanoseconds < 0:
        return "-" + go_duration(-nanoseconds)
    if nanoseconds < 10**9:
        for unit, size in (("ms", 10**6), ("µs", 10**3), ("ns", 1)):
            if nanoseconds >= size:
                return _fraction(nanoseconds, size) + unit
        return "0s"
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    out = _fraction(rest, 10**9) + "s"
    if hours or minutes:
        out = f"{minutes}m{out}"
    return f"{hours}h{out}" if hours else out


def human_seconds(seconds: int) -> str:
    """Seconds as tables show them: a Go duration without its zero parts at the end (`768h`, `1h30m`)."""
    out = go_duration(seconds * 10**9)
    if out.endswith("m0s"):
        out = out[:-2]
    return out[:-2] if out.endswith("h0m") else out


def _fraction(value: int, size: int) -> str:
    whole, rest = divmod(value, size)
    digits = f"{rest:0{len(str(size)) - 1}d}".rstrip("0") if rest else ""
    return f"{whole}.{digits}" if digits else str(whole)
