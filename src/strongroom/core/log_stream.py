"""The server's log as it happens, for somebody who watches it over the network."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from strongroom.core import log_levels
from strongroom.core.log_lines import FORMATS

#: How many may watch at a time, and how many lines wait for one of them before further ones are dropped.
MOST_WATCHERS: Final = 16
MOST_LINES: Final = 1000
#: How often a quiet stream is touched: so a watcher that has left is noticed, and one that may watch no more.
TOUCH_SECONDS: Final = 5.0

_watchers: set[Watcher] = set()


class Watcher(logging.Handler):
    """Gathers lines for one reader. Records come from any thread."""

    def __init__(self, level: int, style: str) -> None:
        super().__init__(level)
        self.setFormatter(FORMATS[style]())
        self._loop = asyncio.get_running_loop()
        self._lines: asyncio.Queue[str | None] = asyncio.Queue()
        self._dropped = 0

    def emit(self, record: logging.LogRecord) -> None:
        """Take a record; with too many waiting it is dropped, and counted."""
        if self._lines.qsize() >= MOST_LINES:
            self._dropped += 1
            return
        try:
            self._loop.call_soon_threadsafe(self._lines.put_nowait, self.format(record))
        except RuntimeError:  # the loop is closed, and the reader gone with it
            self._dropped += 1

    def end(self) -> None:
        """Let the reader come to the end of what has been logged."""
        self._loop.call_soon_threadsafe(self._lines.put_nowait, None)

    async def lines(self, may_go_on: Callable[[], Awaitable[bool]]) -> AsyncIterator[bytes]:
        """The lines as they come, and empty ones when there are none, until the end or until it may not go on."""
        root = logging.getLogger()
        with log_levels.watched(self.level):
            root.addHandler(self)
            _watchers.add(self)
            try:
                yield b""
                while (line := await self._next()) is not None and await may_go_on():
                    yield line
            finally:
                root.removeHandler(self)
                _watchers.discard(self)

    async def _next(self) -> bytes | None:
        try:
            async with asyncio.timeout(TOUCH_SECONDS):
                line = await self._lines.get()
        except TimeoutError:
            return b""
        if line is None:
            return None
        return (line + "\n" + self._loss()).encode("utf-8", "backslashreplace")

    def _loss(self) -> str:
        """A line on the lines that are missing."""
        dropped, self._dropped = self._dropped, 0
        if not dropped:
            return ""
        text = f"{dropped} lines were dropped: they came faster than they were read"
        record = logging.LogRecord(f"{log_levels.ROOT}.monitor", logging.WARNING, "", 0, text, None, None)
        return self.format(record) + "\n"


def watch(level: int, style: str) -> Watcher | None:
    """A new watcher of what is logged from this level up, in a format of FORMATS; None when there are too many."""
    return Watcher(level, style) if len(_watchers) < MOST_WATCHERS else None


def end_all() -> None:
    """Let all readers come to the end: the server stops."""
    for watcher in _watchers:
        watcher.end()
