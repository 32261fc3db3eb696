"""From a connection's name to its open database.

Databases stay open in the mount's memory, each under the revision of the configuration that it was opened with.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from itertools import combinations
from operator import ne
from typing import Any, Final

from msgspec.structs import replace

from strongroom.api.context import Context
from strongroom.clock import Clock, new_uuid
from strongroom.databases import plugins
from strongroom.databases.plugin import Database, DatabaseError, Plugin, Session
from strongroom.databases.templates import Template
from strongroom.engines.database.engine import Failed
from strongroom.engines.database.model import CONFIG, Config

#: What a template of user names may speak of.
FIELDS: Final = ("DisplayName", "RoleName")
#: In how many places names must differ that are never to come again, as eight random letters nearly always do; and how
#: many names are looked at.
DIFFERENT: Final = 7
SAMPLES: Final = 3


class Connection:
    """A connection in use: its plugin, its open database, and its names."""

    def __init__(self, config: Config, plugin: Plugin, clock: Clock) -> None:
        self.revision = config.revision
        self.plugin = plugin
        self.template = Template(str(config.details.get("username_template") or plugin.username_template), FIELDS)
        #: Whether the template may give a name twice: it has too little chance in it.
        self.repeats = _repeats(self.template, clock)
        self.database: Database = plugin.open(config.details)

    async def aclose(self) -> None:
        """Close the database."""
        await self.database.aclose()


def _repeats(template: Template, clock: Clock) -> bool:
    """Whether names made at the same time differ in too few places, when the fields take what room they can."""
    fields = dict.fromkeys(FIELDS, "x" * 64)
    try:
        names = [template.render(fields, clock) for _ in range(SAMPLES)]
    except DatabaseError:
        return True  # it may work with other fields
    return any(sum(map(ne, one, other)) < DIFFERENT for one, other in combinations(names, 2))


async def find_config(ctx: Context, name: str) -> Config:
    """A connection's configuration; raises `Failed`."""
    config = await ctx.storage.load(CONFIG + name, Config)
    if config is None:
        raise Failed(f'failed to find entry for connection with name: "{name}"')
    return config


async def connect(ctx: Context, name: str) -> tuple[Config, Connection]:
    """A connection and its configuration. Opening asks nothing of the database; raises `Failed`."""
    config = await find_config(ctx, name)
    kept = _kept(ctx, name)
    if kept is not None and kept.revision == config.revision:
        return config, kept
    if config.candidate:
        # A rotation of its password was broken off; requests that come together settle it one after the other.
        await ctx.apart(lambda own: settle(own, name))
        config = await find_config(ctx, name)
    plugin = plugins().get(config.plugin_name)
    if plugin is None:
        raise Failed(f"plugin not found in the catalog: {config.plugin_name}")
    try:
        opened = Connection(config, plugin, ctx.clock)
    except DatabaseError as error:
        raise Failed(str(error)) from error
    await keep(ctx, name, opened)
    return config, opened


async def keep(ctx: Context, name: str, connection: Connection) -> None:
    """Use a connection from now on, in place of the one that was kept under its name."""
    old = _kept(ctx, name)
    ctx.memory[_key(name)] = connection
    if old is not None:
        await old.aclose()


async def drop(ctx: Context, name: str) -> None:
    """Close a connection, if it is open."""
    old = ctx.memory.pop(_key(name), None)
    if old is not None:
        await old.aclose()


def _key(name: str) -> str:
    return f"connection {name}"


def _kept(ctx: Context, name: str) -> Connection | None:
    found = ctx.memory.get(_key(name))
    return found if isinstance(found, Connection) else None


class session:  # noqa: N801 - used like a function
    """A session whose failures are `Failed`; `prefix` goes before what went wrong when it could not be had."""

    __slots__ = ("_prefix", "_session")

    def __init__(self, database: Database, prefix: str = "", *, background: bool = False) -> None:
        self._session = database.session(background=background)
        self._prefix = prefix

    async def __aenter__(self) -> Session:
        try:
            return await self._session.__aenter__()
        except DatabaseError as error:
            raise Failed(self._prefix + str(error)) from error

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        try:
            await self._session.__aexit__(kind, error, trace)
        except DatabaseError as failure:
            raise Failed(str(failure)) from failure
        if isinstance(error, DatabaseError):
            raise Failed(str(error)) from error


@asynccontextmanager
async def opened_with(plugin: Plugin, details: Mapping[str, Any]) -> AsyncIterator[Database]:
    """A database that is open for a block only; raises `DatabaseError`."""
    database = plugin.open(details)
    try:
        yield database
    finally:
        await database.aclose()


async def settle(ctx: Context, name: str) -> Config:
    """Find out which of two passwords works after a rotation that was broken off, and keep that one.

    Raises:
        Failed: neither does, or the database cannot be reached; both are kept.
    """
    await ctx.lock("config", name)
    config = await find_config(ctx, name)
    plugin = plugins().get(config.plugin_name)
    if not config.candidate or plugin is None:
        return config
    problem = ""
    for password in (config.candidate, config.details.get("password")):
        details = {**config.details, "password": password}
        try:
            async with opened_with(plugin, details) as database:
                await database.verify()
        except DatabaseError as error:
            problem = str(error)
            continue
        last_ns = ctx.clock.now_ns() if password == config.candidate else config.last_rotation_ns
        config = replace(config, details=details, candidate="", revision=new_uuid(), last_rotation_ns=last_ns)
        ctx.storage.store(CONFIG + name, config)
        return config
    raise Failed(f"error verifying connection: {problem}")


def check_allowed(config: Config, role: str) -> None:
    """Refuse a role that its connection does not name; `*` stands for anything."""
    for entry in config.allowed_roles:
        if re.fullmatch(".*".join(map(re.escape, entry.split("*"))), role, re.DOTALL):
            return
    raise Failed(f'"{role}" is not an allowed role')
