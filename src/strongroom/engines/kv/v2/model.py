"""What KV version 2 stores, and the rules by which versions come and go; no I/O.

Layout, below the mount; structs are JSON and carry the version `v` of their format:

    config               Config
    meta/<path>          Key: {"id", "created_time", "updated_time", "current_version", "oldest_version",
                               "max_versions", "cas_required", "delete_version_after", "custom_metadata",
                               "versions": {"<number>": [created_time, deletion_ns, destroyed, creator]},
                               "created_by": creator, "people": [Who], "v": 2};
                         what is zero, false or empty is left out; a creator is a place in `people`, null or missing
                         where that was not noted; before format 2 it was the Who itself, and there were no `people`
    read/<path>          Reads: {"id": the key's, "versions": {"<number>": [at_ns, Who]}, "since_ns", "v": 1}
    tracking             Tracking: {"since_ns", "v": 1}
    data/<id>/<number>   a version's object, the JSON text as it was written (its format is the key's `v`)
    upgrade, values/     what version 1 left behind, see `kv/upgrade.py`

Who is [display_name, entity_id, accessor_hmac].

`<id>` is 128 random bits drawn anew whenever a key comes to be: a key that is deleted and written again shares nothing
with the former one, and a reader who holds the old `Key` finds no data of the new. A destroyed or trimmed version has
no entry below `data/`.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from strongroom.clock import rfc3339

#: The format of `Key`s as they are written.
FORMAT: Final = 2
DEFAULT_MAX_VERSIONS: Final = 10
#: The mount's `delete_version_after` that turns off the keys' own.
DISABLED: Final = -1

SECOND: Final = 1_000_000_000


class Config(msgspec.Struct, frozen=True, omit_defaults=True):
    """A mount's settings; `delete_version_after` in seconds."""

    max_versions: int = 0
    cas_required: bool = False
    delete_version_after: int = 0
    track_access: bool = True
    v: int = 1


class Who(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Who did something: the display name and the entity of a token, and its accessor as the audit log has it."""

    display_name: str
    entity_id: str = ""
    accessor_hmac: str = ""


class Version(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One version. Times that are only ever shown are kept as text; `deletion_ns` is Unix nanoseconds, 0 for never.

    `created_by` is for `Key.creator`.
    """

    created_time: str
    deletion_ns: int = 0
    destroyed: bool = False
    created_by: Who | int | None = None

    def gone(self, now_ns: int) -> bool:
        """Whether it can no longer be read: destroyed, deleted, or due to be."""
        return self.destroyed or 0 < self.deletion_ns <= now_ns

    @property
    def deletion_time(self) -> str:
        """When it was or will be deleted, in RFC 3339; empty for never."""
        return rfc3339(self.deletion_ns) if self.deletion_ns else ""


class Key(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A key with all its versions but for their data. `id` is empty for what version 1 left and nobody changed yet.

    Most versions are of the same few `people`. Named once, they leave an entry small enough to lie in one page of the
    storage with others.
    """

    id: str
    created_time: str
    updated_time: str
    current_version: int = 0
    oldest_version: int = 0
    max_versions: int = 0
    cas_required: bool = False
    delete_version_after: int = 0
    custom_metadata: dict[str, str] | None = None
    versions: dict[int, Version] = {}
    created_by: Who | int | None = None
    people: tuple[Who, ...] = ()
    v: int = 1

    def creator(self, of: Key | Version) -> Who | None:
        """Who made the key itself or one of its versions; None where that was not noted."""
        who = of.created_by
        return self.people[who] if isinstance(who, int) else who


class Use(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A read: when (Unix nanoseconds) and by whom."""

    at_ns: int
    who: Who


class Reads(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last read of each version of the key with this id; beside those that it has, the last of all.

    `since_ns` is when the key came to be, where its own times tell of its source.
    """

    id: str
    versions: dict[int, Use] = {}
    since_ns: int = 0
    v: int = 1

    @property
    def last(self) -> Use | None:
        """The key's last read."""
        return max(self.versions.values(), key=lambda use: use.at_ns, default=None)


class Tracking(msgspec.Struct, frozen=True):
    """Since when reads are noted at the mount, in Unix nanoseconds. It is there until the last of them is forgotten."""

    since_ns: int
    v: int = 1


def new_key(now_ns: int, created_by: Who | None = None) -> Key:
    """A key without a version."""
    now = rfc3339(now_ns)
    people = () if created_by is None else (created_by,)
    return Key(new_id(), now, now, created_by=0 if people else None, people=people, v=FORMAT)


def new_id() -> str:
    """The name under which a key's data lies."""
    return secrets.token_hex(16)


def versions_kept(key: Key, config: Config) -> int:
    """How many versions a write leaves: a key cannot keep fewer than its mount."""
    return max(key.max_versions, config.max_versions) or DEFAULT_MAX_VERSIONS


def deletion_ns(key: Key, config: Config, now_ns: int) -> int:
    """When a version that comes to be now is deleted, by the shorter of the delays in force; 0 for never."""
    if config.delete_version_after < 0:
        return 0
    delays = [d for d in (key.delete_version_after, config.delete_version_after) if d > 0]
    return now_ns + min(delays) * SECOND if delays else 0


def add_version(key: Key, config: Config, now_ns: int, created_by: Who | None = None) -> tuple[Key, list[int]]:
    """The key with one more version, and the numbers of those that are trimmed for it.

    Only here are versions trimmed; a lower limit alone removes nothing. `oldest_version` stays 0 until the limit is
    reached for the first time.
    """
    number = key.current_version + 1
    now = rfc3339(now_ns)
    creator = key.people.index(created_by) if created_by in key.people else created_by
    version = Version(now, deletion_ns(key, config, now_ns), created_by=creator)
    versions = {**key.versions, number: version}
    oldest = key.oldest_version
    trimmed: list[int] = []
    if number - oldest >= (kept := versions_kept(key, config)):
        oldest = number - kept + 1
        trimmed = [n for n in range(key.oldest_version, oldest) if n in versions]
        for n in trimmed:
            del versions[n]
    changed = msgspec.structs.replace(
        key, versions=versions, current_version=number, oldest_version=oldest, updated_time=now
    )
    return _people_anew(changed) if isinstance(creator, Who) else changed, trimmed


def _people_anew(key: Key) -> Key:
    """The key with all creators of it and its versions among its people, each once, and nobody else."""
    places: dict[Who, int] = {}

    def place(of: Key | Version) -> int | None:
        who = key.creator(of)
        return None if who is None else places.setdefault(who, len(places))

    own = place(key)
    versions = {n: msgspec.structs.replace(one, created_by=place(one)) for n, one in key.versions.items()}
    return msgspec.structs.replace(key, created_by=own, versions=versions, people=tuple(places), v=FORMAT)


def delete_versions(key: Key, numbers: Iterable[int], now_ns: int) -> Key:
    """The key with these versions deleted; those that are gone already, or were never there, are left alone."""
    changes = {
        n: msgspec.structs.replace(version, deletion_ns=now_ns)
        for n in numbers
        if (version := key.versions.get(n)) is not None and not version.gone(now_ns)
    }
    return _with_versions(key, changes)


def undelete_versions(key: Key, config: Config, numbers: Iterable[int], now_ns: int) -> Key:
    """The key with these versions readable again, and any delay begun anew; destroyed ones stay destroyed."""
    due = deletion_ns(key, config, now_ns)
    changes = {
        n: msgspec.structs.replace(version, deletion_ns=due)
        for n in numbers
        if (version := key.versions.get(n)) is not None and not version.destroyed
    }
    return _with_versions(key, changes)


def destroy_versions(key: Key, numbers: Iterable[int]) -> tuple[Key, list[int]]:
    """The key with these versions destroyed, and the numbers whose data has to go."""
    changes = {
        n: msgspec.structs.replace(version, destroyed=True)
        for n in numbers
        if (version := key.versions.get(n)) is not None and not version.destroyed
    }
    return _with_versions(key, changes), sorted(changes)


def _with_versions(key: Key, changes: dict[int, Version]) -> Key:
    return msgspec.structs.replace(key, versions={**key.versions, **changes}) if changes else key


def reads_with(reads: Reads, key: Key, uses: Mapping[int, Use]) -> Reads:
    """A key's reads with later ones, without those of versions that it has no more, but for the last of all."""
    versions = {**reads.versions, **uses}
    joined = msgspec.structs.replace(reads, versions=versions)
    last = joined.last
    kept = {number: use for number, use in versions.items() if number in key.versions or use is last}
    return joined if len(kept) == len(versions) else msgspec.structs.replace(joined, versions=kept)


def shown_who(who: Who | None) -> dict[str, str] | None:
    """Who did something, as it is answered."""
    if who is None:
        return None
    return {"accessor_hmac": who.accessor_hmac, "display_name": who.display_name, "entity_id": who.entity_id}


def shown_use(use: Use | None) -> dict[str, Any]:
    """A last read, as it is answered; the time of one that never was is empty."""
    if use is None:
        return {"last_read_by": None, "last_read_time": ""}
    return {"last_read_by": shown_who(use.who), "last_read_time": rfc3339(use.at_ns)}


def shown_version(key: Key, number: int, version: Version) -> dict[str, Any]:
    """A version's metadata as reads and writes of data answer it.

    The times are texts, not moments, so that the audit log hides them as Vault's does.
    """
    return {
        "created_time": version.created_time,
        "custom_metadata": key.custom_metadata,
        "deletion_time": version.deletion_time,
        "destroyed": version.destroyed,
        "version": number,
    }
