"""Walking a KV mount: names page by page, so that memory stays bounded however many there are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from strongroom.cli.kv_paths import Place
from strongroom.cli.run import Run
from strongroom.client.errors import ResponseError

#: Names asked for at once.
PAGE = 1000


class Walk:
    """Goes through what is below a place. Folders that may not be listed are named on stderr and counted."""

    def __init__(self, run: Run, place: Place, page: int = PAGE) -> None:
        self._run, self._place, self._page = run, place, page
        self.refused = 0

    def names(self, folder: str) -> Iterator[str]:
        """The names in a folder ("" or ending in a slash), in order; folders end in a slash."""
        place = self._place._replace(name=folder.rstrip("/"))
        path = place.path("metadata")
        last = ""
        while True:
            params = {"list": "true", "limit": str(self._page)} | ({"after": last} if last else {})
            try:
                with self._run.client.preliminary():
                    secret = self._run.client.read(path, params)
            except ResponseError as error:
                if error.status != 403 or folder == self._place.name + "/" or not folder:
                    raise
                self._run.ui.warn(f"May not list {path}")
                self.refused += 1
                return
            keys: Any = (secret.data if secret else None) or {}
            found = [name for name in keys.get("keys") or () if isinstance(name, str) and name > last]
            yield from found
            # More than asked for, or names that were there before, come from a server that gives all at once.
            if len(found) != self._page:
                return
            last = found[-1]

    def secrets(self, folder: str) -> Iterator[str]:
        """All secrets below a folder, by their names below the mount."""
        for name in self.names(folder):
            if name.endswith("/"):
                yield from self.secrets(folder + name)
            else:
                yield folder + name


def top(place: Place) -> str:
    """The folder that a place names."""
    return f"{place.name}/" if place.name else ""
