"""`kv find` and `kv tree`: what there is below a path."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

from strongroom.cli import output
from strongroom.cli.basic import nothing_at
from strongroom.cli.kv_paths import locate
from strongroom.cli.kv_walk import Walk, top
from strongroom.cli.run import Run

_BRANCH, _LAST, _LINE, _SPACE = "├── ", "└── ", "│   ", "    "


def find(run: Run) -> int:
    """Print the paths of secrets."""
    place = locate(run, run.args[0] if run.args else "")
    walk, pattern = Walk(run, place), run.flags.text("name") or "*"
    found: list[str] = []
    some = False
    with run.doing(f"Error listing {place.path('metadata')}"):
        for name in walk.secrets(top(place)):
            some = True
            if not fnmatchcase(name.rpartition("/")[2], pattern):
                continue
            if run.table:
                run.ui.out(place.mount + name)
            else:
                found.append(place.mount + name)
    if not some and run.table and not walk.refused:
        raise nothing_at(place.path("metadata"))
    if not run.table:
        output.emit(run, found)
    return 2 if walk.refused or not some else 0


def tree(run: Run) -> int:
    """Print folders and secrets as a tree."""
    place = locate(run, run.args[0] if run.args else "")
    walk, depth = Walk(run, place), run.flags.int("depth")
    with run.doing(f"Error listing {place.path('metadata')}"):
        if not run.table:
            return output.emit(run, _document(walk, top(place), depth))
        if not _draw(run, walk, place.mount + top(place), top(place), depth) and not walk.refused:
            raise nothing_at(place.path("metadata"))
    return 2 if walk.refused else 0


def _draw(run: Run, walk: Walk, title: str, folder: str, depth: int) -> bool:
    """Print while it is read. Each level is an iterator over its names, with what stands before them."""
    levels: list[tuple[str, str, Iterator[tuple[str, bool]]]] = [("", folder, _with_last(walk.names(folder)))]
    drawn = False
    while levels:
        before, here, names = levels[-1]
        name, last = next(names, ("", True))
        if not name:
            levels.pop()
            continue
        if not drawn:
            run.ui.out(title)
            drawn = True
        run.ui.out(before + (_LAST if last else _BRANCH) + name)
        if name.endswith("/") and (not depth or len(levels) < depth):
            below = here + name
            levels.append((before + (_SPACE if last else _LINE), below, _with_last(walk.names(below))))
    return drawn


def _with_last(names: Iterator[str]) -> Iterator[tuple[str, bool]]:
    """Each name, and whether it is the last."""
    held = next(names, None)
    while held is not None:
        following = next(names, None)
        yield held, following is None
        held = following


def _document(walk: Walk, folder: str, depth: int) -> dict[str, Any]:
    """The tree as objects; a secret is null."""
    return {
        name: (_document(walk, folder + name, depth - 1) if name.endswith("/") and depth != 1 else None)
        for name in walk.names(folder)
    }
