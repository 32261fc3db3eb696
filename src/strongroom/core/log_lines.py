"""A line of the server's own log, for people or as JSON, in the layout of Vault's.

    2025-01-07T10:30:00.123Z [INFO]  core: vault is unsealed
    {"@level":"info","@message":"vault is unsealed","@module":"core","@timestamp":"2025-01-07T10:30:00.123456Z"}

Secrets must not get in here. Of an exception that is not ours only the type and the place are written: its text may
quote a value.
"""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from strongroom.core.log_levels import TRACE
from strongroom.errors import StrongroomError

_NAMES = {TRACE: "trace", 10: "debug", 20: "info", 30: "warn", 40: "error", 50: "error"}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Lines(logging.Formatter):
    """For people."""

    def format(self, record: logging.LogRecord) -> str:
        """One line, and the traceback's where there is one."""
        moment = datetime.fromtimestamp(record.created, UTC)
        stamp = f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
        level = f"[{level_name(record.levelno).upper()}]"
        line = f"{stamp} {level:<7} {module(record.name)}: {_one_line(record.getMessage())}"
        return "\n".join([line, *failure(record)])


class JSONLines(logging.Formatter):
    """For programs."""

    def format(self, record: logging.LogRecord) -> str:
        """One JSON object."""
        moment = datetime.fromtimestamp(record.created, UTC)
        entry = {
            "@level": level_name(record.levelno),
            "@message": record.getMessage(),
            "@module": module(record.name),
            "@timestamp": f"{moment:%Y-%m-%dT%H:%M:%S.%f}Z",
        }
        lines = list(failure(record))
        if lines:
            entry["stacktrace"] = "\n".join(lines)
        return msgspec.json.encode(entry).decode()


def level_name(level: int) -> str:
    """A level's word."""
    return _NAMES.get(level) or next((name for number, name in _NAMES.items() if level <= number), "error")


def module(name: str) -> str:
    """A logger's name as it is shown."""
    return "http" if name.startswith("_granian") else name.removeprefix("strongroom.")


def failure(record: logging.LogRecord) -> Iterator[str]:
    """The lines of a record's exception, causes first."""
    error = record.exc_info[1] if record.exc_info else None
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    for error in reversed(chain):
        yield f"  {describe(error)}"
        for frame in traceback.extract_tb(error.__traceback__):
            yield f"    {frame.filename}:{frame.lineno} in {frame.name}"


def describe(error: BaseException) -> str:
    """An exception's type, and its text where that is ours or the operating system's."""
    kind = type(error).__qualname__
    if isinstance(error, StrongroomError):
        return f"{kind}: {_one_line(str(error))}"
    if isinstance(error, OSError) and error.strerror:
        return f"{kind}: {_one_line(error.strerror)}"
    return kind


def _one_line(text: str) -> str:
    return text if text.isprintable() else _CONTROL.sub(lambda m: repr(m[0])[1:-1], text)


#: What a log's format can be.
FORMATS = {"standard": Lines, "json": JSONLines}
