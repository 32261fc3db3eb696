"""The file device: a file, standard output, or nothing at all.

Options beside those of every device: `file_path` (older name `path`; `stdout` and `discard` are special), `mode`
(octal, default 0600; 0000 leaves the mode of an existing file alone), and those of audit/rotation.py.
"""

from __future__ import annotations

import errno
import logging
import math
import os
import re
import stat
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from strongroom.api.aside import LARGE
from strongroom.audit.batches import Batches
from strongroom.audit.device import Device, go_quote, reason_of, refuse
from strongroom.audit.disks import remote
from strongroom.audit.pump import Pump
from strongroom.audit.rotation import Rotation, beginning
from strongroom.turns import driven

log = logging.getLogger("strongroom.audit")

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

    Those of one turn of the event loop are written together, since giving up the interpreter's lock costs more than a
    write. How, depends on what can stand still and whom that would hold up (`Batches`):

    - On the loop itself, when the file is on a local disk and no other device is enabled: into the page cache that is
      about a microsecond. Should the disk hang, nothing could be answered anyway before it goes on.
    - On a thread that the loop waits for, for `slow_seconds` at most, when the disk is local and other devices could go
      on alone.
    - On the thread, with a deadline, while the loop does other things: everything that is known to stand still (a pipe,
      a terminal, a network mount), all that is done to a file beside appending, and a local disk after a slow write,
      until `retry_seconds` later it gets another chance.
    """

    type = "file"
    joins = True

    #: Seconds that the thread may take for a line.
    deadline: ClassVar[float] = 2.0
    #: Seconds between looks at whether somebody deleted the file.
    check_interval: ClassVar[float] = 1.0
    #: Seconds that a disk rests after a slow write, and a rotation that has failed.
    retry_seconds: ClassVar[float] = 60.0

    def __init__(self, path: str, salt: str, options: Mapping[str, str]) -> None:
        place = options.get("file_path") or options.get("path")
        if not place:
            raise refuse("file_path is required")
        super().__init__(path, salt, options)
        self._place = place.lower() if place.lower() in ("stdout", "discard") else place
        self._mode = parse_mode(options["mode"]) if "mode" in options else 0o600
        self._rotation = Rotation(options)
        if self._rotation and self._place in ("stdout", "discard"):
            raise refuse(f"{self._place} cannot be rotated")
        self._fd = -1
        self._regular = False
        self._pump = Pump("audit-file", self.deadline)
        self._batches = Batches(
            self._pump, self._append, slow_seconds=self.slow_seconds, retry_seconds=self.retry_seconds
        )
        self._closed = False
        #: Whether the file ends in the middle of a line.
        self._torn = False
        #: The size of the file and when it began (Unix time), as far as we have written it.
        self._size = 0
        self._began = 0.0
        self._next_check = 0.0
        self._next_rotation = 0.0

    @property
    def target(self) -> str:
        """The file's name."""
        return self._place

    async def open(self) -> None:
        """Open the file; makes it and its directory where they are missing."""
        if self._place != "discard":
            self._batches.finish()
            await self._pump.run(self._open)

    async def write(self, line: bytes) -> None:
        """Append a line."""
        if self._place == "discard":
            return
        if self._closed:
            raise OSError(errno.EBADF, "the device is closed")
        now = time.monotonic()
        if now >= self._next_check or len(line) > LARGE or self._to_rotate(len(line), now):
            self._batches.finish()
            await self._pump.run(lambda: self._write(line))
            return
        self._batches.direct = self.alone
        await self._batches.put(line)

    def record(self, make: Callable[[], bytes]) -> Awaitable[None]:
        """See `Device.record`."""
        if not driven() or self._closed or self._fd < 0 or self._rotation or time.monotonic() >= self._next_check:
            return self.write(make())
        self._batches.direct = self.alone
        return self._batches.add(make)

    async def reopen(self) -> None:
        """Open the file by its name again, after it was moved away; the old one stays in use if that fails."""
        if self._regular or self._fd < 0:
            await self.open()

    async def close(self) -> None:
        """Close the file."""
        self._batches.finish()
        self._closed = True
        self._pump.close(self._release)
        await super().close()

    def _release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _to_rotate(self, more: int, now: float) -> bool:
        rotation = self._rotation
        return bool(rotation) and now >= self._next_rotation and rotation.due(self._size, self._began, more)

    # -- On the thread, or with nothing left for it to do ------------------------------------------------------------

    def _write(self, line: bytes) -> None:
        """Do what there is to do to the file, and append a line."""
        if self._fd < 0 or self._deleted():
            self._open()
        elif self._to_rotate(len(line), time.monotonic()):
            self._rotate()
        self._append([line])

    def _rotate(self) -> None:
        """Begin a new file; where that fails the lines go on into the old one."""
        place = Path(self._place)
        try:
            # Somebody else may have rotated it: then there is nothing to move, only to open.
            if _same(self._fd, place):
                self._rotation.put_aside(place)
            self._open()
            self._rotation.thin(place)
        except OSError as e:
            log.error("audit device %s cannot rotate %s: %s", self.path, self._place, reason_of(e))
            self._next_rotation = time.monotonic() + self.retry_seconds

    def _append(self, lines: list[bytes]) -> None:
        text = lines[0] if len(lines) == 1 else b"".join(lines)
        # What a full disk or a crash left of the line before gets its end here, so that this one stands by itself.
        data = b"\n" + text if self._torn else text
        done = 0
        try:
            # One call; a second only where the first wrote a part, as it does just before the disk is full.
            while done < len(data):
                written = os.write(self._fd, data[done:] if done else data)
                if not written:
                    raise OSError(errno.EIO, os.strerror(errno.EIO))
                done += written
        finally:
            self._size += done
            if done:
                self._torn = data[done - 1] != 0x0A

    def _deleted(self) -> bool:
        if self._regular and os.fstat(self._fd).st_nlink == 0:
            return True
        self._next_check = time.monotonic() + self.check_interval
        return False

    def _open(self) -> None:
        try:
            fd = os.dup(1) if self._place == "stdout" else self._open_path()
        except OSError as e:
            text = f"sanity check failed; unable to open {go_quote(self._place)} for writing: {e.strerror}"
            raise OSError(e.errno, text) from None
        if self._closed:
            os.close(fd)
            raise OSError(errno.EBADF, "the device is closed")
        old, self._fd = self._fd, fd
        if old >= 0:
            os.close(old)
        about = os.fstat(fd)
        self._regular = stat.S_ISREG(about.st_mode)
        self._torn = self._regular and self._place != "stdout" and _ends_torn(self._place)
        self._size = about.st_size
        self._began = beginning(self._place) if self._rotation and about.st_size else time.time()
        self._next_check = time.monotonic() + self.check_interval
        self._batches.slow_until = 0.0 if self._regular and not remote(fd) else math.inf

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


def _same(fd: int, place: Path) -> bool:
    """Whether the name still leads to the open file."""
    try:
        return os.path.samestat(os.fstat(fd), place.stat())
    except FileNotFoundError:
        return False


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
