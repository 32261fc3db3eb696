"""Going through all names below a folder, page by page."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final

#: How many names are asked for at once.
PAGE: Final = 500

#: The names in a folder ("" or ending in a slash) that come after one, in byte order, at most so many.
Names = Callable[[str, str, int], Awaitable[list[str]]]


@dataclass(slots=True)
class _Level:
    folder: str
    after: str = ""
    names: deque[str] = field(default_factory=deque)
    more: bool = True


async def walk(
    names: Names, top: str = "", after: str = "", enter: Callable[[str], bool] = lambda folder: True
) -> AsyncGenerator[str, None]:
    """The paths below a folder, folder by folder in byte order; of a folder that is not entered its own path.

    `after` is a path that came up in an earlier walk: this one goes on behind it.
    """
    levels = _levels(top, after)
    while levels:
        level = levels[-1]
        if not level.names:
            if level.more:
                level.names.extend(await names(level.folder, level.after, PAGE))
                level.more = len(level.names) == PAGE
            if not level.names:
                levels.pop()
                continue
        name = level.names.popleft()
        level.after, path = name, level.folder + name
        if name.endswith("/") and enter(path):
            levels.append(_Level(path))
        else:
            yield path


def _levels(top: str, after: str) -> list[_Level]:
    """Where a walk begins that goes on behind a path."""
    rest = after.removeprefix(top) if after.startswith(top) else ""
    levels, folder = list[_Level](), top
    *folders, last = rest.removesuffix("/").split("/")
    for name in folders:
        levels.append(_Level(folder, name + "/"))
        folder += name + "/"
    return [*levels, _Level(folder, last + "/" if rest.endswith("/") else last)]
