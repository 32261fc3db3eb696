"""Removing what is left of deleted roles and expired secret ids, in the background and a page at a time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from strongroom.api.context import Context
from strongroom.api.messages import Response
from strongroom.auth.approle.engine import approle
from strongroom.auth.approle.model import (
    ACCESSOR,
    ROLE,
    ROLE_LOCK,
    SECRET,
    SECRET_LOCK,
    AccessorRef,
    Role,
    SecretId,
    names_of,
)

PAGE: Final = 200
STARTED: Final = (
    "Tidy operation successfully started. Any information from the operation will be printed to Vault's server logs."
)
RUNNING: Final = "Tidy operation already in progress."

Step = Callable[[Context], Awaitable[bool]]


@approle.write("tidy/secret-id", accepted=True)
async def tidy(ctx: Context) -> Response:
    """Remove expired secret ids, and what deleted roles have left, in the background."""
    return Response(status=202, warnings=[STARTED if ctx.background("secret id tidy", _tidy()) else RUNNING])


def sweep(ctx: Context, role_key: str) -> None:
    """Remove all that a deleted role has left, in the background; what a crash leaves is found by the next tidy."""
    ctx.background(f"removal of the secret ids of role {role_key}", _remove_all(role_key))


def _remove_all(role_key: str) -> Step:
    checked = False

    async def step(ctx: Context) -> bool:
        nonlocal checked
        if not checked:
            # Waits for the commit of the request that deletes the role; it may fail after all.
            await ctx.lock(ROLE_LOCK, "")
            if role_key in await _keys(ctx):
                return False
            checked = True
        for folder in (f"{SECRET}{role_key}/", f"{ACCESSOR}{role_key}/"):
            names = await ctx.storage.list(folder, "", PAGE)
            for name in names:
                ctx.storage.delete(folder + name)
            if names:
                return True
        return False

    return step


async def _keys(ctx: Context) -> set[str]:
    roles = [await ctx.storage.load(ROLE + name, Role) for name in await ctx.storage.list(ROLE)]
    return {role.key for role in roles if role is not None}


def _tidy() -> Step:
    """A walk over all folders: first those of secret ids, then those of accessors."""
    todo: list[tuple[str, str]] = []
    known: set[str] | None = None
    after = ""

    async def step(ctx: Context) -> bool:
        nonlocal known, after
        if known is None:
            for top in (SECRET, ACCESSOR):
                todo.extend((top, key) for key in await ctx.storage.list(top))
            # Read last: a role is there before its secret ids are, so a folder without one is a leftover.
            known = await _keys(ctx)
            return True
        if not todo:
            return False
        top, folder = todo[0]
        names = await ctx.storage.list(top + folder, after, PAGE)
        if not names:
            todo.pop(0)
            after = ""
            return bool(todo)
        after = names[-1]
        key = folder.rstrip("/")
        living = key in known
        for name in names:
            if top == SECRET:
                await _tidy_secret(ctx, key, name, living)
            else:
                await _tidy_accessor(ctx, key, name, living)
        return True

    return step


async def _tidy_secret(ctx: Context, key: str, name: str, living: bool) -> None:
    path = f"{SECRET}{key}/{name}"
    entry = await ctx.storage.load(path, SecretId)
    if entry is None or (living and entry.lives(ctx.clock.now_ns())):
        return
    await ctx.lock(SECRET_LOCK, key + name)
    entry = await ctx.storage.load(path, SecretId)
    if entry is not None and not (living and entry.lives(ctx.clock.now_ns())):
        ctx.storage.delete(path)
        ctx.storage.delete(f"{ACCESSOR}{key}/{(await names_of(ctx)).name(entry.accessor)}")


async def _tidy_accessor(ctx: Context, key: str, name: str, living: bool) -> None:
    path = f"{ACCESSOR}{key}/{name}"
    ref = await ctx.storage.load(path, AccessorRef)
    if ref is None:
        return
    # Both are made and removed together under this lock, so that one without the other is a leftover.
    await ctx.lock(SECRET_LOCK, key + ref.secret)
    if not living or await ctx.storage.load(f"{SECRET}{key}/{ref.secret}", SecretId) is None:
        ctx.storage.delete(path)
