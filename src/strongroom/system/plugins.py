"""`sys/plugins`: the types of engines and methods that there are, and how their mounts begin anew.

All are built in or installed with Python."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from strongroom import BUILTIN_VERSION
from strongroom.api.args import Args, field
from strongroom.api.fields import CommaList
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.core.mounts import Mount
from strongroom.errors import BadRequest, NotFound, UnsupportedOperation
from strongroom.system.engine import system

KINDS: Final = ("auth", "database", "secret")


class TypeArgs(Args):
    """A kind of plugin."""

    type: str = field("The kind: auth, database or secret.")


class PluginArgs(TypeArgs):
    """A plugin."""

    name: str = field("The plugin's name: the type of its mounts.")


class RegisterArgs(PluginArgs):
    """A plugin's program, as Vault runs them."""

    sha256: str = field("The SHA-256 sum of the plugin's program, in hex.")
    sha_256: str = field("The older name of `sha256`.", deprecated=True)
    command: str = field("The command that runs it.")
    args: list[str] = field("The command's arguments.")
    env: list[str] = field("The command's environment.")
    version: str = field("The plugin's version.")


class ReloadArgs(Args):
    """Which mounts begin anew."""

    plugin: str = field("The type of the mounts, or a plugin for databases.")
    mounts: CommaList = field("The paths of the mounts, those of auth methods with `auth/`.")
    scope: str = field("Nothing, or global; there is one node, so that both are the same.")


@system.read("plugins/catalog")
async def read_catalog(ctx: SystemContext) -> dict[str, Any]:
    """Show all plugins by kind."""
    names = {kind: ctx.core.catalog.names(kind) for kind in KINDS}
    detailed = [_detail(ctx, kind, name) | {"type": kind} for kind in KINDS for name in names[kind]]
    return {**names, "detailed": detailed}


@system.list("plugins/catalog/{type:segment}", sudo=True)
async def list_kind(ctx: SystemContext, args: TypeArgs) -> dict[str, Any]:
    """List the plugins of a kind."""
    if args.type not in KINDS:
        raise UnsupportedOperation
    return {"keys": ctx.core.catalog.names(args.type)}


@system.read("plugins/catalog/{type:segment}/{name:segment}", sudo=True)
async def read_plugin(ctx: SystemContext, args: PluginArgs) -> Response:
    """Show a plugin."""
    if args.type not in KINDS:
        ctx.warn(
            "Deprecated API endpoint, cannot read plugin information from catalog for "
            f'"{args.type[:64]}/{args.name[:64]}"'
        )
        return Response(data=msgspec.Raw(b"null"))
    if args.name not in ctx.core.catalog.names(args.type):
        raise NotFound
    return Response(data={**_detail(ctx, args.type, args.name), "args": None, "command": "", "sha256": ""})


@system.write("plugins/catalog/{type:segment}/{name:segment}", sudo=True)
async def register(ctx: SystemContext, args: RegisterArgs) -> None:
    """Refuse a plugin: programs beside the server are not run."""
    if not (args.sha256 or args.sha_256):
        raise BadRequest("missing SHA-256 value")
    raise BadRequest(
        "plugins are Python packages here: install one with an entry point in the group strongroom.engines, "
        "strongroom.auth or strongroom.databases and restart the server"
    )


@system.delete("plugins/catalog/{type:segment}/{name:segment}", sudo=True)
async def deregister(ctx: SystemContext, args: PluginArgs) -> None:
    """Forget a plugin that was registered, which need not exist; built-in ones stay."""


@system.write("plugins/reload/backend")
async def reload(ctx: SystemContext, args: ReloadArgs) -> Response:
    """Let mounts begin anew: connections are closed, and what was fetched or cached is forgotten.

    What is stored stays. The program itself stays, too: after an upgrade of a Python package the server is restarted.
    """
    if args.scope not in ("", "global"):
        raise BadRequest("the scope of a reload is left out, or global")
    if bool(args.plugin) is bool(args.mounts):
        raise BadRequest("give either plugin or mounts")
    mounts = _at(ctx, args.mounts) if args.mounts else _of(ctx, args.plugin)
    if not mounts:
        ctx.warn("no mount is of this type: nothing was reloaded")
    for mount in mounts:
        await ctx.live.engines.forget(mount.entry.uuid)
    return Response(data={"reload_id": ctx.request.id}, status=202 if args.scope else 200)


def _at(ctx: SystemContext, paths: list[str]) -> list[Mount]:
    """The mounts at these paths, all of them or none."""
    found = []
    for path in paths:
        mount = ctx.live.mounts.by_path(path.strip().strip("/"))
        if mount is None:
            raise BadRequest(f'there is no mount at "{path[:256]}"')
        found.append(mount)
    return found


def _of(ctx: SystemContext, plugin: str) -> list[Mount]:
    """The mounts of a type; a plugin for databases is at work in every mount of that engine."""
    type_ = "database" if plugin in ctx.core.catalog.names("database") else plugin
    return [mount for mount in ctx.live.mounts if type_ in (mount.entry.type, mount.backend.type)]


def _detail(ctx: SystemContext, kind: str, name: str) -> dict[str, Any]:
    backend = ctx.core.catalog.of(kind, name)
    if backend.version:
        return {"name": name, "builtin": False, "version": backend.version}
    return {"name": name, "builtin": True, "version": BUILTIN_VERSION, "deprecation_status": "supported"}
