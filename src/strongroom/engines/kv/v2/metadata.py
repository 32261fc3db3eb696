"""Keys: their settings, custom metadata and versions, and lists of them."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from strongroom.api.args import field
from strongroom.api.context import Context
from strongroom.api.fields import Duration, RawObject, format_duration
from strongroom.api.messages import Response
from strongroom.engines.kv.v2.access import reads_of
from strongroom.engines.kv.v2.config import check_max_versions
from strongroom.engines.kv.v2.custom_metadata import merged, parse
from strongroom.engines.kv.v2.engine import kv2
from strongroom.engines.kv.v2.keys import (
    META,
    READ,
    author,
    claim,
    drop_data,
    exists,
    find,
    load_config,
    names_in,
    save,
)
from strongroom.engines.kv.v2.model import Config, Key, new_key, shown_use, shown_who
from strongroom.engines.values import ListArgs, PathArgs, check_writable, listing
from strongroom.errors import NotFound

#: The parameters that are stored as they are.
PLAIN: Final = ("max_versions", "cas_required", "delete_version_after")


class MetadataArgs(PathArgs):
    """What can be set for a key."""

    max_versions: int = field("How many versions the key keeps; 0, and anything less than the mount's, for those.")
    cas_required: bool = field("Whether every write of data must name the version it follows, in `options.cas`.")
    delete_version_after: Duration = field("How long after its creation a version is deleted; 0 for the mount's.")
    custom_metadata: RawObject = field("Pairs of texts for people and programs; they take the place of the former.")


@kv2.read("metadata/{path:path}", effectless=True)
async def read(ctx: Context, args: PathArgs) -> Any:
    """Read a key's settings and the list of its versions, with who wrote each, and who read it last.

    `created_by` is null where that was not noted, `last_read_by` where nobody has read it since reads are noted. Of the
    accessor there is the HMAC that the audit device first by name writes. Without the mount's `track_access` nothing is
    said of reads.
    """
    key = await find(ctx, args.path)
    if key is None:
        raise NotFound
    tracked = (await load_config(ctx)).track_access
    reads = await reads_of(ctx, args.path, key) if tracked else None
    return {
        "cas_required": key.cas_required,
        "created_by": shown_who(key.creator(key)),
        "created_time": key.created_time,
        "current_version": key.current_version,
        "custom_metadata": key.custom_metadata,
        "delete_version_after": format_duration(key.delete_version_after),
        **(shown_use(reads.last) if reads is not None else {}),
        "max_versions": key.max_versions,
        "oldest_version": key.oldest_version,
        "updated_time": key.updated_time,
        "versions": {
            str(number): {
                "created_by": shown_who(key.creator(version)),
                "created_time": version.created_time,
                "deletion_time": version.deletion_time,
                "destroyed": version.destroyed,
                **(shown_use(reads.versions.get(number)) if reads is not None else {}),
            }
            for number, version in key.versions.items()
        },
    }


@kv2.list("metadata/{path:path}", effectless=True)
async def list_(ctx: Context, args: ListArgs) -> Any:
    """List the names in a folder; folders end in a slash."""
    folder = f"{args.path}/" if args.path else ""
    return listing(await names_in(ctx, folder, args.after, max(args.limit, 0)))


@kv2.write("metadata/{path:path}", exists=exists)
async def write(ctx: Context, args: MetadataArgs) -> None:
    """Change a key's settings, or create a key without a version; what is not named stays as it is."""
    changes = _plain_changes(args)
    if "custom_metadata" in args.given:
        changes["custom_metadata"] = parse(args.custom_metadata)
    check_writable(args.path)
    if not changes:
        return
    key = await claim(ctx, args.path)
    config = await load_config(ctx)
    _apply(ctx, args.path, key or new_key(ctx.clock.now_ns(), author(ctx, config)), changes, config)


@kv2.patch("metadata/{path:path}")
async def patch(ctx: Context, args: MetadataArgs) -> Any:
    """Change a key's settings; custom metadata is merged, and null removes a pair."""
    changes = _plain_changes(args)
    check_writable(args.path)
    key = await claim(ctx, args.path)
    if key is None:
        return Response(status=404)
    if "custom_metadata" in args.given:
        changes["custom_metadata"] = merged(key.custom_metadata, args.custom_metadata)
    if changes:
        _apply(ctx, args.path, key, changes, await load_config(ctx))
    return None


@kv2.delete("metadata/{path:path}")
async def delete(ctx: Context, args: PathArgs) -> None:
    """Remove a key with all its versions, for good."""
    key = await claim(ctx, args.path)
    if key is not None:
        drop_data(ctx, key, [number for number, version in key.versions.items() if not version.destroyed])
        ctx.storage.delete(META + args.path)
        ctx.storage.delete(READ + args.path)


def _plain_changes(args: MetadataArgs) -> dict[str, Any]:
    check_max_versions(args.max_versions)
    return {name: getattr(args, name) for name in PLAIN if name in args.given}


def _apply(ctx: Context, path: str, key: Key, changes: dict[str, Any], config: Config) -> None:
    if config.cas_required and changes.get("cas_required") is False:
        ctx.warn('"cas_required" set to false, but is mandated by backend config. This value will be ignored.')
    save(ctx, path, msgspec.structs.replace(key, **changes))
