"""`kv stale`: the secrets that nobody reads any more; the server knows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from strongroom.cli import output
from strongroom.cli.basic import nothing_at
from strongroom.cli.command import Refused
from strongroom.cli.kv_paths import Place, locate_versioned
from strongroom.cli.run import Run
from strongroom.client.durations import human_seconds

_SECOND: Final = 10**9
_UNUSED: Final = 90 * 24 * 3600 * _SECOND


def stale(run: Run) -> int:
    """Print the secrets that were not read for some time; exit code 2 when some could not be looked at."""
    unused = run.flags.int("unused") if run.flags.given("unused") else _UNUSED
    if unused < 0:
        raise Refused("-unused must not be negative")
    place = locate_versioned(run, run.args[0], "Only version 2 of the K/V engine knows who read what")
    search = _Search(run, place, unused // _SECOND)
    with run.doing(f"Error listing {place.path('stale')}"):
        found = list(search.found())
    for path in search.refused:
        run.ui.warn(f"May not look at {place.mount}{path}")
    if not run.table:
        output.emit(run, found)
    elif found:
        rows = [
            [
                one["path"],
                output.go_time(str(one.get("last_read_time") or "")) or "never",
                _name(one.get("last_read_by")),
                output.go_time(str(one.get("updated_time") or "")),
            ]
            for one in found
        ]
        run.ui.out(output.table(("Path", "Last Read", "By", "Written"), rows))
    else:
        run.ui.warn(
            f"No secret has been unread for {_duration(unused // _SECOND)}. "
            f"Reads are noted at {place.mount} since {output.go_time(search.since)}."
        )
    return 2 if search.refused else 0


class _Search:
    """Asks page by page."""

    def __init__(self, run: Run, place: Place, seconds: int) -> None:
        self._run, self._place, self._seconds = run, place, seconds
        #: What may not be looked at, and since when the server knows.
        self.refused: list[str] = []
        self.since = ""

    def found(self) -> Iterator[dict[str, Any]]:
        """The secrets, each with its path and what is known of it."""
        path, after = self._place.path("stale"), ""
        while True:
            params = {"list": "true", "unused": f"{self._seconds}s"} | ({"after": after} if after else {})
            secret = self._run.client.read(path, params)
            if secret is None:
                raise nothing_at(path)  # another server's mount has no such list
            data: dict[str, Any] = secret.data or {}
            self.refused += [str(name) for name in data.get("refused") or ()]
            self.since = str(data.get("since") or "")
            info = data.get("key_info") or {}
            for name in data.get("keys") or ():
                yield {"path": f"{self._place.mount}{name}", **(info.get(name) or {})}
            following = str(data.get("next") or "")
            if not following or following == after:
                return
            after = following


def _duration(seconds: int) -> str:
    days, rest = divmod(seconds, 24 * 3600)
    return f"{days}d" if days and not rest else human_seconds(seconds)


def _name(who: object) -> str:
    return str(who.get("display_name") or "") if isinstance(who, dict) else ""
