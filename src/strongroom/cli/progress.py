"""How far long work has come: one line on stderr that is written over, and only where a person looks."""

from __future__ import annotations

import time
from typing import IO

from strongroom.cli.ui import UI

_EVERY_SECONDS = 0.2


class Progress:
    """The line. `total` is in the unit of what is counted, 0 when it is not known."""

    def __init__(self, ui: UI, what: str, total: int = 0) -> None:
        self._ui, self._what, self._total = ui, what, total
        self._shown = 0.0
        self._active = ui.stderr.isatty()

    def show(self, done: int, unit: str = "") -> None:
        """Say how much is done; `unit` is "" for bytes."""
        now = time.monotonic()
        if not self._active or now - self._shown < _EVERY_SECONDS:
            return
        self._shown = now
        amount = f"{done:,} {unit}" if unit else size(done)
        share = f" ({min(100, done * 100 // self._total)} %)" if self._total else ""
        self._ui.stderr.write(f"\r\x1b[K{self._what}: {amount}{share}")
        self._ui.stderr.flush()

    def end(self) -> None:
        """Take the line away."""
        if self._shown:
            self._ui.stderr.write("\r\x1b[K")
            self._ui.stderr.flush()


def size(count: int) -> str:
    """Bytes in a unit that people read."""
    amount = float(count)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} GiB"


class Metered:
    """A file whose reading or writing shows."""

    def __init__(self, file: IO[bytes], progress: Progress) -> None:
        self._file, self._progress, self._done = file, progress, 0

    def read(self, count: int = -1) -> bytes:
        """See `IO.read`."""
        chunk = self._file.read(count)
        self._count(len(chunk))
        return chunk

    def write(self, chunk: bytes) -> int:
        """See `IO.write`."""
        self._count(len(chunk))
        return self._file.write(chunk)

    def seek(self, place: int) -> int:
        """See `IO.seek`."""
        self._done = place
        return self._file.seek(place)

    def _count(self, more: int) -> None:
        self._done += more
        self._progress.show(self._done)
