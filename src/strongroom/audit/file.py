"""The file device: a file, standard output, or nothing at all.

Options beside those of every device: `file_path` (older name `path`; `stdout` and `discard` are special), `mode`
(octal, default 0600; 0000 leaves the mode of an existing file alone).
"""

from __future__ import annotations

import errno
import os
import re
import stat
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from strongroom.audit.device import Device, go_quote, reason_of, refuse
from strongroom.audit.pump import Pump

_OCTAL = re.compile("[0-7]+")


def parse_mode(text: str) -> int:
    """A file's mode in octal."""
    if not _OCTAL.fullmatch(text):
        raise refuse(f"strconv.ParseUint: parsing {go_quote(text)}: invalid syntax")
    # The digits are counted first, so that no long text is converted.
    if len(text.lstrip("0")) > 11 or (mode := int(text, 8)) >= 1 << 32:
        raise refuse(f"strconv.ParseUint: parsing {go_quote(text)}: value out of range")
    return mode & 0o7777


class FileDevice(Device):
    """Appends lines to a file.

    A line goes to a regular file by a plain write on the event loop: into the page cache that is about a microsecond,
    much less than a thread costs. The kernel makes it wait only for a file system that hangs, such as a network mount
    whose server is gone; keep audit logs on a local disk. Everything else (pipe, terminal) can stand still any time, so
    a thread writes there, with a deadline.
    """

    type = "file"

    #: Seconds that a pipe or a terminal may take for a line.
    deadline: ClassVar[float] = 2.0
    #: Seconds between looks at whether somebody deleted the file.
    check_interval: ClassVar[float] = 1.0

    def __init__(self, path: str, salt: str, options: Mapping[str, str]) -> None:
        place = options.get("file_path") or options.get("path")
        if not place:
            raise refuse("file_path is required")
        super().__init__(path, salt, options)
        self._place = place.lower() if place.lower() in ("stdout", "discard") else place
        self._mode = parse_mode(options["mode"]) if "mode" in options else 0o600
        self._fd = -1
        self._pump: Pump | None = None
        self._closed = False
        #: Whether the file ends in the middle of a line.
        self._torn = False
        self._next_check = 0.0

    @property
    def target(self) -> str:
        """The file's name."""
        return self._place

    async def open(self) -> None:
        """Open the file; makes it and its directory where they are missing."""
        self._open()

    async def write(self, line: bytes) -> None:
        """Append a line."""
        if self._place == "discard":
            return
        if self._closed:
            raise OSError(errno.EBADF, "the device is closed")
        if self._fd < 0 or (time.monotonic() >= self._next_check and self._deleted()):
            self._open()
        if self._pump is None:
            self._append(line)
        else:
            await self._pump.run(lambda: self._append(line))

    async def reopen(self) -> None:
        """Open the file by its name again, after it was moved away; the old one stays in use if that fails."""
        if self._pump is None:
            self._open()

    async def close(self) -> None:
        """Close the file."""
        self._closed = True
        if self._pump is None:
            self._release()
        else:
            self._pump.close(self._release)
        await super().close()

    def _release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _append(self, line: bytes) -> None:
        # What a full disk or a crash left of the line before gets its end here, so that this one stands by itself.
        data = b"\n" + line if self._torn else line
        done = 0
        try:
            # One call; a second only where the first wrote a part, as it does just before the disk is full.
            while done < len(data):
                written = os.write(self._fd, data[done:] if done else data)
                if not written:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                done += written
        finally:
            if done:
                self._torn = data[done - 1] != 0x0A

    def _deleted(self) -> bool:
        self._next_check = time.monotonic() + self.check_interval
        return self._pump is None and os.fstat(self._fd).st_nlink == 0

    def _open(self) -> None:
        if self._place == "discard":
            return
        try:
            fd = os.dup(1) if self._place == "stdout" else self._open_path()
        except OSError as e:
            text = f"sanity check failed; unable to open {go_quote(self._place)} for writing: {e.strerror}"
            raise OSError(e.errno, text) from None
        old, self._fd = self._fd, fd
        if old >= 0:
            os.close(old)
        regular = stat.S_ISREG(os.fstat(fd).st_mode)
        if not regular and self._pump is None:
            self._pump = Pump("audit-file", self.deadline)
        self._torn = regular and self._place != "stdout" and _ends_torn(self._place)
        self._next_check = time.monotonic() + self.check_interval

    def _open_path(self) -> int:
        folder = Path(self._place).parent
        with _step("mkdir", str(folder)):
            try:
                # Whoever may read the file may enter its directory.
                folder.mkdir(0o700 | self._mode | (self._mode & 0o044) >> 2, parents=True, exist_ok=True)
            except FileExistsError:
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from None
        with _step("open", self._place):
            # Without O_NONBLOCK the opening of a pipe would wait for its reader.
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK
            fd = os.open(self._place, flags, self._mode or 0o600)
        try:
            if not stat.S_ISREG(os.fstat(fd).st_mode):
                os.set_blocking(fd, True)
            elif self._mode:
                with _step("chmod", self._place):
                    os.fchmod(fd, self._mode)
        except BaseException:
            os.close(fd)
            raise
        return fd


def _ends_torn(path: str) -> bool:
    """Whether a file's last line has no end: the machine stopped, or its disk filled, in the middle of it."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - unbuffered, and its position matters
            size = file.seek(0, os.SEEK_END)
            if size:
                file.seek(size - 1)
            return size > 0 and file.read(1) != b"\n"
    except OSError:  # may be written but not read
        return False


@contextmanager
def _step(name: str, path: str) -> Iterator[None]:
    """Say which step of the opening failed, as Go says it."""
    try:
        yield
    except OSError as e:
        place = e.filename if isinstance(e.filename, str) else path
        raise OSError(e.errno, f"{name} {place}: {reason_of(e)}") from None
