"""Files that appear whole or not at all, readable by their owner only."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO


@contextmanager
def new_file(path: str) -> Iterator[IO[bytes]]:
    """Write a file of mode 0600 that takes its name only when the block ends well; raises `OSError`."""
    folder = os.path.dirname(os.path.abspath(path))  # noqa: PTH100, PTH120
    handle, temporary = tempfile.mkstemp(prefix=".", suffix=".tmp", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)  # noqa: PTH105
    except BaseException:
        os.unlink(temporary)  # noqa: PTH108
        raise


def replace_file(path: str, content: bytes) -> None:
    """Put `content` where `path` is, or leave what was there; raises `OSError`."""
    with new_file(os.path.realpath(path)) as file:
        file.write(content)
