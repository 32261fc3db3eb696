"""Where a key of a KV engine is: which mount holds it, which version the mount has, and its API paths."""

from __future__ import annotations

from typing import NamedTuple

from strongroom.cli.basic import nothing_at
from strongroom.cli.command import Refused
from strongroom.cli.data import clean_path, mount_path
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run
from strongroom.client.errors import ClientError, ResponseError

#: The flag of every command that names a key.
MOUNT = Flag("mount", "Path of the KV engine; then the argument is only the key below it.")


class Place(NamedTuple):
    """A key: its mount (with its slash), its name below it, and whether the mount keeps versions."""

    mount: str
    name: str
    versioned: bool

    def path(self, area: str = "data") -> str:
        """The API path in one of version 2's areas; version 1 has none."""
        parts = [self.mount.rstrip("/"), area if self.versioned else "", self.name]
        return "/".join(part for part in parts if part)


def locate(run: Run, word: str) -> Place:
    """Ask the server for the mount. `-mount` splits the path for us; without it the word holds both."""
    given = run.flags.text("mount")
    word = clean_path(word)
    mount, versioned = _mount_of(run, clean_path(given) if given else word)
    if given:
        return Place(mount, word, versioned)
    return Place(mount, word.removeprefix(mount.rstrip("/")).strip("/"), versioned)


def _mount_of(run: Run, path: str) -> tuple[str, bool]:
    with run.doing(""), run.client.preliminary():
        try:
            answer = run.client.get_json(f"sys/internal/ui/mounts/{path}")
        except ResponseError as error:
            if error.status != 404:
                raise
            return "", False  # a server that cannot say has only version 1
    data = answer.get("data") or answer
    options = data.get("options") or {}
    return mount_path(str(data.get("path") or "")), str(options.get("version")) == "2"


def locate_versioned(run: Run, word: str, refusal: str, code: int = 1) -> Place:
    """The same for what only version 2 can do; raises `Refused`."""
    place = locate(run, word)
    if not place.versioned:
        raise Refused(refusal, code)
    return place


def nothing_near(run: Run, place: Place, path: str) -> Refused:
    """There is no such secret; but there may be one of a similar name, or a folder, beside it."""
    refused = nothing_at(path)
    if not run.table:
        return refused
    folder, _, wanted = place.name.rpartition("/")
    beside = place._replace(name=folder)
    try:
        with run.client.preliminary():
            secret = run.client.read(beside.path("metadata"), {"list": "true", "limit": "1000"})
    except ClientError:
        return refused
    names = ((secret.data if secret else None) or {}).get("keys")
    listed = [str(name) for name in names[:1000]] if isinstance(names, list) else []
    shown = f"{place.mount}{folder}/" if folder else place.mount
    if wanted in listed:
        refused.hint = f'It has no such version. "{run.prog} kv metadata get {shown}{wanted}" shows which it has.'
    elif f"{wanted}/" in listed:
        refused.hint = f'It is a folder. "{run.prog} kv list {shown}{wanted}" shows what is in it.'
    elif close := _close(wanted, listed):
        refused.hint = f"Did you mean {' or '.join(shown + name for name in close)}?"
    return refused


def _close(word: str, known: list[str]) -> list[str]:
    import difflib

    return difflib.get_close_matches(word, known, n=2, cutoff=0.6)


def versions_of(run: Run) -> list[str]:
    """The `-versions` flags; each may name several with commas."""
    return [part for text in run.flags.list("versions") for word in text.split(",") if (part := word.strip())]
