"""`kv diff`: what differs between two versions of a secret."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.basic import nothing_at
from strongroom.cli.command import Refused
from strongroom.cli.kv_paths import locate_versioned
from strongroom.cli.run import Run
from strongroom.client import jsontext


def diff(run: Run) -> int:
    """Print the keys that were added, removed and changed; their values only when asked for."""
    path = locate_versioned(run, run.args[0], "K/V engine mount must be version 2 to have versions").path()
    old, new = _versions(run, path)
    with run.doing(f"Error reading {path}"):
        before, after = (_data(run, path, number) for number in (old, new))
    added = sorted(after.keys() - before.keys())
    removed = sorted(before.keys() - after.keys())
    changed = sorted(key for key in before.keys() & after.keys() if before[key] != after[key])
    if not run.table:
        return output.emit(run, {"versions": [old, new], "added": added, "removed": removed, "changed": changed})
    if not added and not removed and not changed:
        run.ui.out(f"Versions {old} and {new} do not differ")
        return 0
    run.ui.out(f"--- {path} version {old}\n+++ {path} version {new}")
    if run.flags.bool("values"):
        _print_values(run, before, after, {*added, *removed, *changed})
    else:
        for mark, keys in (("-", removed), ("~", changed), ("+", added)):
            for key in keys:
                run.ui.out(f"{mark} {key}")
    return 0


def _print_values(run: Run, before: dict[str, Any], after: dict[str, Any], keys: set[str]) -> None:
    for key in sorted(keys):
        for mark, data in (("-", before), ("+", after)):
            if key in data:
                run.ui.out(f"{mark} {key} = {jsontext.dumps(data[key])}")


def _versions(run: Run, path: str) -> tuple[int, int]:
    """The two versions asked for; without any the newest and the one before it."""
    given = [part for text in run.flags.list("version") for part in text.split(",")]
    if len(given) not in (0, 2):
        raise Refused(f"Give two versions, as -version=1 -version=2 (got {len(given)}), or none for the last two")
    numbers = [int(text) if text.isdecimal() and len(text) < 19 else 0 for text in given]
    if given and not all(numbers):
        raise Refused("A version is a number from 1 on")
    if numbers:
        return numbers[0], numbers[1]
    with run.doing(f"Error reading {path}"), run.client.preliminary():
        secret = run.client.read(path)
    newest = ((secret.data if secret else None) or {}).get("metadata", {}).get("version")
    if secret is None or newest is None:
        raise nothing_at(path)
    current = int(newest)
    if current < 2:
        raise Refused("There is only one version", 2)
    return current - 1, current


def _data(run: Run, path: str, number: int) -> dict[str, Any]:
    secret = run.client.read(path, {"version": str(number)})
    data = (secret.data if secret else None) or {}
    if secret is not None and secret.wrap_info is not None:
        raise Refused("A wrapped answer cannot be compared")
    if not data.get("metadata"):
        raise Refused(f"No version {number} at {path}", 2)
    if not isinstance(data.get("data"), dict):
        raise Refused(f"Version {number} of {path} is deleted or destroyed", 2)
    found: dict[str, Any] = data["data"]
    return found
