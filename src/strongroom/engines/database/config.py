"""`config/:name`: connections to databases; `reset/:name` and `rotate-root/:name`."""

from __future__ import annotations

import re
from typing import Any, Final

from msgspec.structs import replace

from strongroom import BUILTIN_VERSION
from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import CommaList, Duration, Name
from strongroom.clock import new_uuid
from strongroom.databases import plugins
from strongroom.databases.plugin import Change, DatabaseError, Plugin
from strongroom.engines.database import schedule
from strongroom.engines.database.connections import (
    Connection,
    connect,
    drop,
    find_config,
    keep,
    settle,
)
from strongroom.engines.database.credentials import new_password
from strongroom.engines.database.engine import Failed, NameArgs, database, listed, strip
from strongroom.engines.database.model import CONFIG, Config
from strongroom.engines.database.plan import plan_root
from strongroom.errors import MULTI, BadRequest, NotFound

URL_WARNING: Final = (
    "Password found in connection_url, use a templated url to enable root rotation and prevent read access to "
    "password information."
)
_PROBLEM: Final = "error creating database object: "
_VERSION: Final = re.compile(r"v?[0-9]+(\.[0-9]+){0,2}([-+][0-9A-Za-z.+-]+)?")
_URL_PASSWORD: Final = re.compile(r"^(\w+://[^/?#@:]*:)([^/?#]*)(@)")
_SETTING_PASSWORD: Final = re.compile(r"(\bpassword\s*=\s*)('(?:[^'\\]|\\.)*'|[^\s'&{]+)()")
_DSN_PASSWORD: Final = re.compile(r"^([^:@/]+:)(.*)(@\w*\(?)")


class ConfigArgs(Args):
    """A connection. What is not named here goes to the plugin as it is."""

    name: Name = field("The connection's name.")
    plugin_name: str = field("The kind of database, such as postgresql-database-plugin.")
    plugin_version: str = field("The plugin's version; empty for the one that is built in.")
    verify_connection: bool = field("Whether the connection is tried before it is stored.", default=True)
    allowed_roles: CommaList = field('The roles that may use it; "*" stands for anything.')
    root_rotation_statements: list[str] = field("Statements that change the password of the connection's own user.")
    password_policy: str = field("The password policy of its users.")
    rotation_period: Duration = field("How often the password of the connection's own user is rotated.")
    rotation_schedule: str = field("When it is rotated, as a cron schedule in UTC.")
    rotation_window: Duration = field("How long after a time of the schedule it may still be rotated.")
    disable_automated_rotation: bool = field("Whether it is rotated on demand only.")
    # The plugins' own, as most of them take them.
    connection_url: Any = field("Where the database is, with {{username}} and {{password}} in it.")
    username: Any = field("The user that the server itself connects as.")
    password: Any = field("Its password.")
    username_template: Any = field("What the names of users are made after.")
    max_open_connections: Any = field("How many connections there are at most; 4.")
    max_idle_connections: Any = field("How many stay open at rest; as many.")
    max_connection_lifetime: Any = field("How long one is used; 0s for as long as it lives.")
    disable_escaping: Any = field("Whether name and password go into the URL as they are.")
    password_authentication: Any = field("PostgreSQL: password, or scram-sha-256 to send it only verifiers.")
    tls_ca: Any = field("Certificates of the authorities that the database's is checked by, as PEM text.")
    tls_certificate: Any = field("PostgreSQL: the server's own certificate as a client, as PEM text.")
    private_key: Any = field("PostgreSQL: the key of that certificate, as PEM text.")
    tls_certificate_key: Any = field("MySQL: the server's own certificate as a client and its key, as PEM text.")
    tls_server_name: Any = field("MySQL: the name that the database's certificate is checked for.")
    tls_skip_verify: Any = field("MySQL: whether the database's certificate is not checked.")


#: Parameters that are stored under their own names; the others are the plugin's.
_STORED: Final = frozenset(Config.__struct_fields__) & frozenset(ConfigArgs.fields)
_OURS: Final = _STORED | {"name", "verify_connection"}


async def _exists(ctx: Context, args: ConfigArgs) -> bool:
    await ctx.lock("config", args.name)
    return await ctx.storage.load(CONFIG + args.name, Config) is not None


@database.list("config")
async def list_configs(ctx: Context) -> dict[str, list[str]]:
    """List the connections."""
    return await listed(ctx, CONFIG)


@database.read("config/{name}")
async def read_config(ctx: Context, args: NameArgs) -> dict[str, Any]:
    """Read a connection, without its password."""
    config = await ctx.storage.load(CONFIG + args.name, Config)
    if config is None:
        raise NotFound
    plugin = plugins().get(config.plugin_name)
    hidden = {"password", "private_key", *(plugin.secret_settings if plugin else ())}
    details = {name: value for name, value in config.details.items() if name not in hidden}
    if isinstance(details.get("connection_url"), str):
        details["connection_url"] = masked(details["connection_url"])
    shown: dict[str, Any] = {
        "allowed_roles": config.allowed_roles,
        "connection_details": details,
        "password_policy": config.password_policy,
        "plugin_name": config.plugin_name,
        "plugin_version": config.plugin_version,
        "root_credentials_rotate_statements": config.root_rotation_statements,
    }
    for name in ("rotation_period", "rotation_schedule", "rotation_window", "disable_automated_rotation"):
        if getattr(config, name):
            shown[name] = getattr(config, name)
    return shown


@database.write("config/{name}", exists=_exists, free_form=True)
async def write_config(ctx: Context, args: ConfigArgs) -> None:
    """Create or change a connection. It is tried first; if that fails nothing changes."""
    await ctx.lock("config", args.name)
    config = await ctx.storage.load(CONFIG + args.name, Config) or Config()
    changes = {name: getattr(args, name) for name in args.given & _STORED}
    changes["plugin_name"] = changes.get("plugin_name") or config.plugin_name
    if "allowed_roles" in changes:
        changes["allowed_roles"] = tuple(changes["allowed_roles"])
    if "root_rotation_statements" in changes:
        changes["root_rotation_statements"] = strip([text for text in changes["root_rotation_statements"] if text])
    plugin = find_plugin(changes["plugin_name"], changes.get("plugin_version", config.plugin_version))
    details = {k: v for k, v in ctx.request.data.items() if k not in _OURS}
    if config.candidate and "password" not in details:
        config = await settle(ctx, args.name)
    config = replace(
        config,
        **changes,
        details={k: v for k, v in {**config.details, **details}.items() if v is not None},
        candidate="",
        revision=new_uuid(),
    )
    schedule.check(config)
    if not config.last_rotation_ns:
        config = replace(config, last_rotation_ns=ctx.clock.now_ns())
    connection = await _try_out(ctx, config, plugin, verify=args.verify_connection)
    ctx.storage.store(CONFIG + args.name, config)
    await keep(ctx, args.name, connection)
    plan_root(ctx, args.name, config)
    url = config.details.get("connection_url")
    if isinstance(url, str) and masked(url) != url:
        ctx.warn(URL_WARNING)


@database.delete("config/{name}")
async def delete_config(ctx: Context, args: NameArgs) -> None:
    """Delete a connection; the users that it made stay, and so do their leases."""
    await ctx.lock("config", args.name)
    ctx.storage.delete(CONFIG + args.name)
    await drop(ctx, args.name)


@database.write("reset/{name}")
async def reset(ctx: Context, args: NameArgs) -> None:
    """Close a connection and open it again."""
    await find_config(ctx, args.name)
    await drop(ctx, args.name)
    _, connection = await connect(ctx, args.name)
    try:
        await connection.database.verify()
    except DatabaseError as error:
        raise Failed(f"error verifying connection: {error}") from error


@database.write("reload/{name}")
async def reload(ctx: Context, args: NameArgs) -> dict[str, Any]:
    """Close and open all connections of a plugin."""
    names = []
    for name in await ctx.storage.list(CONFIG):
        config = await ctx.storage.load(CONFIG + name, Config)
        if config is not None and config.plugin_name == args.name:
            await drop(ctx, name)
            names.append(name)
    return {"count": len(names), "connections": names}


@database.write("rotate-root/{name}")
async def rotate_root(ctx: Context, args: NameArgs) -> None:
    """Give the connection's own user a password that nobody else knows."""
    await change_root_password(ctx, args.name)


async def change_root_password(ctx: Context, name: str) -> None:
    """Rotate the password of a connection's own user; see model.py for the steps. Raises `Failed`."""
    await ctx.lock("config", name)
    config = await find_config(ctx, name)
    if config.candidate:
        config = await settle(ctx, name)
        await ctx.commit()
    for needed in ("username", "password"):
        if not config.details.get(needed):
            raise Failed(f"unable to rotate root credentials: no {needed} in configuration")
    password = await new_password(ctx, config)
    _, connection = await connect(ctx, name)
    username = str(config.details["username"])
    ctx.storage.store(CONFIG + name, replace(config, candidate=password))
    await ctx.commit()
    try:
        async with connection.database.session() as work:
            await work.update_user(Change(username, password=password, statements=config.root_rotation_statements))
    except DatabaseError as error:
        # Nearly always the old password is still the one; if that cannot be found out now, it will be later.
        await _settle_if_possible(ctx, name)
        raise Failed(f"failed to update user: {MULTI.format(error)}") from error
    config = replace(
        config,
        details={**config.details, "password": password},
        candidate="",
        revision=new_uuid(),
        last_rotation_ns=ctx.clock.now_ns(),
    )
    ctx.storage.store(CONFIG + name, config)
    await drop(ctx, name)
    plan_root(ctx, name, config)


async def _settle_if_possible(ctx: Context, name: str) -> None:
    try:
        await settle(ctx, name)
    except Failed:
        return
    await ctx.commit()


def find_plugin(name: str, version: str) -> Plugin:
    """The plugin that a connection names; raises `BadRequest`."""
    if not name:
        raise BadRequest("empty plugin name")
    if version and not _VERSION.fullmatch(version):
        raise BadRequest(f'version "{version[:64]}" is not a valid semantic version: malformed version: {version[:64]}')
    plugin = plugins().get(name)
    if plugin is None or version not in ("", BUILTIN_VERSION):
        wanted = name[:128] + (f", version={version[:64]}" if version else "")
        raise BadRequest(f"{_PROBLEM}invalid database version: plugin not found in the catalog: {wanted}")
    return plugin


async def _try_out(ctx: Context, config: Config, plugin: Plugin, *, verify: bool) -> Connection:
    try:
        connection = Connection(config, plugin, ctx.clock)
    except DatabaseError as error:
        raise BadRequest(_PROBLEM + str(error)) from error
    if verify:
        try:
            await connection.database.verify()
        except BaseException as error:
            await connection.aclose()
            if isinstance(error, DatabaseError):
                raise BadRequest(f"{_PROBLEM}error verifying connection: {error}") from error
            raise
    return connection


def masked(url: str) -> str:
    """A connection URL without the password that it may hold; placeholders stay."""

    def mask(match: re.Match[str]) -> str:
        return match[0] if match[2] in ("", "{{password}}") else f"{match[1]}xxxxx{match[3]}"

    if "://" in url:
        return _SETTING_PASSWORD.sub(mask, _URL_PASSWORD.sub(mask, url))
    if _SETTING_PASSWORD.search(url) or "=" in url.partition("@")[0]:
        return _SETTING_PASSWORD.sub(mask, url)
    return _DSN_PASSWORD.sub(mask, url)
