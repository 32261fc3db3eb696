"""Walking everything beneath a folder of storage, without recursion and with a page in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, Protocol

PAGE: Final = 512


class Lister(Protocol):
    """The part of the barrier that walking needs."""

    async def get(self, key: str) -> bytes | None:
        """The value of a key."""

    async def list(self, prefix: str, after: str = "", limit: int = 0) -> list[str]:
        """The names one level below a folder, in order."""


async def walk(barrier: Lister, root: str, path: str, together: int) -> AsyncIterator[list[str]]:
    """The keys at and beneath `root` + `path`, relative to `root`, up to `together` at a time; "" walks everything.

    Whole segments only: `a/b` has `a/b` itself and what is beneath `a/b/`, not `a/bc`. What is added or removed while
    walking may or may not be seen.
    """
    if path:
        if await barrier.get(root + path) is not None:
            yield [path]
        path += "/"
    work, found = [(path, "")], list[str]()
    while work:
        folder, after = work.pop()
        names = await barrier.list(root + folder, after, PAGE)
        if len(names) == PAGE:
            work.append((folder, names[-1]))
        for name in names:
            if name.endswith("/"):
                work.append((folder + name, ""))
                continue
            found.append(folder + name)
            if len(found) >= together:
                yield found
                found = []
    if found:
        yield found
