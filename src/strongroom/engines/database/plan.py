"""What is to be rotated when: kept in the mount's memory, read from storage after unsealing."""

from __future__ import annotations

from typing import Final

from strongroom.api.context import Context
from strongroom.engines.database.engine import SECONDS_NS
from strongroom.engines.database.model import CONFIG, STATIC, Config, StaticRole
from strongroom.engines.database.schedule import due_ns

#: The pause after a rotation that failed, in seconds.
RETRY_SECONDS: Final = 10
_KEY: Final = "plan"


class Plan:
    """Storage keys of what is to be rotated, and when, in Unix nanoseconds."""

    def __init__(self) -> None:
        self.due: dict[str, int] = {}
        self.loaded = False

    def note(self, key: str, at_ns: int) -> None:
        """Plan a rotation; 0 for none."""
        if at_ns:
            self.due[key] = at_ns
        else:
            self.due.pop(key, None)


def plan_of(ctx: Context) -> Plan:
    """The mount's plan."""
    plan = ctx.memory.setdefault(_KEY, Plan())
    assert isinstance(plan, Plan)
    return plan


def plan_root(ctx: Context, name: str, config: Config) -> None:
    """Plan the next rotation of a connection's own user."""
    at_ns = 0 if config.disable_automated_rotation else due_ns(config, ctx.clock.now_ns())
    plan_of(ctx).note(CONFIG + name, at_ns)


def plan_static(ctx: Context, name: str, role: StaticRole) -> None:
    """Plan the next rotation of a static role: at once, if one was begun and not finished."""
    now = ctx.clock.now_ns()
    plan_of(ctx).note(STATIC + name, now if role.candidate or role.fresh else due_ns(role, now))


def plan_retry(ctx: Context, key: str) -> None:
    """Plan another try."""
    plan_of(ctx).note(key, ctx.clock.now_ns() + RETRY_SECONDS * SECONDS_NS)


async def load(ctx: Context) -> None:
    """Plan everything that is stored."""
    for name in await ctx.storage.list(CONFIG):
        config = await ctx.storage.load(CONFIG + name, Config)
        if config is not None:
            plan_root(ctx, name, config)
    for name in await ctx.storage.list(STATIC):
        role = await ctx.storage.load(STATIC + name, StaticRole)
        if role is not None:
            plan_static(ctx, name, role)
    plan_of(ctx).loaded = True
