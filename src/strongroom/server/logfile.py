"""A log file that begins anew when it is too long or too old.

The current file keeps its name; an earlier one gets the moment of its end in it: `strongroom-1736245800000000000.log`.
"""

from __future__ import annotations

import logging
import os
import pathlib
import time
from typing import TextIO

DEFAULT_NAME = "strongroom.log"


class LogFile(logging.Handler):
    """Writes to `path`, or into it if it ends in "/". `max_bytes` and `max_age` (seconds) of 0 mean no limit.

    `keep` is how many earlier files stay: 0 for all, below 0 for none.
    """

    def __init__(self, path: str, *, max_bytes: int = 0, max_age: float = 0.0, keep: int = 0) -> None:
        super().__init__()
        self._path = pathlib.Path(path) / DEFAULT_NAME if path.endswith("/") else pathlib.Path(path)
        self._max_bytes, self._max_age, self._keep = max_bytes, max_age, keep
        self._file = self._open()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; a file that cannot be written loses lines, never the server."""
        try:
            line = self.format(record) + "\n"
            if self._full(len(line)):
                self._rotate()
            self._file.write(line)
            self._file.flush()
            self._size += len(line)
        except OSError:
            self.handleError(record)

    def reopen(self) -> None:
        """Open the file anew, after somebody moved it away."""
        self.acquire()
        try:
            self._file.close()
            self._file = self._open()
        finally:
            self.release()

    def close(self) -> None:
        """Write no more."""
        self._file.close()
        super().close()

    def _open(self) -> TextIO:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        about = os.fstat(descriptor)
        self._size = about.st_size
        self._began = time.time() if not about.st_size else about.st_mtime
        return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")

    def _full(self, more: int) -> bool:
        too_long = 0 < self._max_bytes < self._size + more and self._size > 0
        return too_long or 0 < self._max_age < time.time() - self._began

    def _rotate(self) -> None:
        self._file.close()
        stem, suffix = self._path.stem, self._path.suffix
        self._path.rename(self._path.with_name(f"{stem}-{time.time_ns()}{suffix}"))
        self._file = self._open()
        if self._keep:
            earlier = sorted(
                p for p in self._path.parent.glob(f"{stem}-*{suffix}") if p.stem.removeprefix(f"{stem}-").isdigit()
            )
            for path in earlier[: -self._keep] if self._keep > 0 else earlier:
                path.unlink(missing_ok=True)
