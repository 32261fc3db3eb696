"""The server's own log: where it goes. How a line looks is in core/log_lines.py."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

from strongroom.core import log_levels
from strongroom.core.log_levels import LEVELS, TRACE
from strongroom.core.log_lines import FORMATS, Lines
from strongroom.server.logfile import LogFile


class Log:
    """The log of a process. Setting it up twice replaces the first."""

    def __init__(self, level: str = "info", style: str = "standard", *, stream: TextIO | None = None) -> None:
        logging.addLevelName(TRACE, "TRACE")
        # A log that cannot be written (a closed pipe) must not make every event print a traceback.
        logging.raiseExceptions = False
        self._formatter = FORMATS.get(style, Lines)()
        self._handlers: list[logging.Handler] = []
        root = logging.getLogger()
        for handler in list(root.handlers):
            root.removeHandler(handler)
        root.setLevel(logging.WARNING)
        self._add(logging.StreamHandler(stream or sys.stderr))
        self.set_level(level)

    def set_level(self, level: str) -> None:
        """From now on log from this level up. Raises `KeyError` for an unknown one."""
        log_levels.set_root(LEVELS[level.lower()])

    def add_file(self, path: str, *, max_bytes: int = 0, max_age: float = 0.0, keep: int = 0) -> None:
        """Log to a file, too. Raises `OSError`."""
        self._add(LogFile(path, max_bytes=max_bytes, max_age=max_age, keep=keep))

    def reopen(self) -> None:
        """Open the files anew, after somebody moved them away."""
        for handler in self._handlers:
            if isinstance(handler, LogFile):
                handler.reopen()

    def close(self) -> None:
        """Log no more."""
        for handler in self._handlers:
            logging.getLogger().removeHandler(handler)
            if isinstance(handler, LogFile):
                handler.close()
        self._handlers.clear()

    def _add(self, handler: logging.Handler) -> None:
        handler.setFormatter(self._formatter)
        handler.addFilter(log_levels.wanted)
        self._handlers.append(handler)
        logging.getLogger().addHandler(handler)
