"""Stored objects with the usual endpoints: a list, and reading, writing and deleting one by name.

    roles = Resource(Role, "role/")
    roles.serve(engine, "role", RoleArgs, show=Role.shown, finish=finished)

An object lies below the mount at `<prefix><name>`, as JSON of its struct, whose fields are named like the parameters.
Writing changes the fields that the request names and leaves the others; what is not there yet begins with the struct's
defaults, so all fields but the name have one. An engine with ways of its own declares some of the four itself and has
the others served one by one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from strongroom.api.args import Args
from strongroom.api.args import field as parameter
from strongroom.api.context import Context
from strongroom.api.fields import LowerName, Name
from strongroom.errors import NotFound

if TYPE_CHECKING:
    from strongroom.api.routes import Engine

S = TypeVar("S", bound=msgspec.Struct)
Show = Callable[[S], Any]
#: Sees an object as it would be stored and the arguments; gives what is stored, may warn, or raises `BadRequest`.
Finish = Callable[[Any, S, Any], Awaitable[S]]
#: Raises `BadRequest` when an object of this name is not to be deleted.
Guard = Callable[[Any, str], Awaitable[None]]


class Resource(Generic[S]):
    """A kind of stored object. `field` is the path's parameter that has the name, and the struct's field where objects
    are made here.

    `noun` is what help calls one of them, with its article; with `lower`, names are in lower case.
    """

    def __init__(
        self, kind: type[S], prefix: str, *, field: str = "name", noun: str = "a role", lower: bool = False
    ) -> None:
        if not prefix.endswith("/"):
            raise ValueError("a resource's prefix ends in a slash")
        self.kind, self.prefix, self.field, self.noun, self.lower = kind, prefix, field, noun, lower
        text = f"The {noun.partition(' ')[2]}{'; upper case counts as lower case' if lower else ''}."
        names = {"__annotations__": {field: LowerName if lower else Name}, field: parameter(text)}
        self._named: type[Args] = type("NameArgs", (Args,), names)

    def key(self, name: str) -> str:
        """Where an object lies."""
        return self.prefix + self._folded(name)

    def _folded(self, name: str) -> str:
        return name.lower() if self.lower else name

    async def get(self, ctx: Context, name: str) -> S | None:
        """An object, shared: never change it."""
        return await ctx.storage.load(self.key(name), self.kind)

    async def need(self, ctx: Context, name: str) -> S:
        """An object that must be there; raises `NotFound`."""
        found = await self.get(ctx, name)
        if found is None:
            raise NotFound
        return found

    async def lock(self, ctx: Context, name: str) -> None:
        """Lock an object that is about to change to the end of the request."""
        await ctx.lock(self.prefix, self._folded(name))

    async def claim(self, ctx: Context, name: str) -> S | None:
        """An object that is about to change, locked."""
        await self.lock(ctx, name)
        return await self.get(ctx, name)

    def save(self, ctx: Context, name: str, value: S) -> None:
        """Store an object when the request commits."""
        ctx.storage.store(self.key(name), value)

    def changed(self, name: str, old: S | None, args: Args) -> S:
        """An object with the parameters that a request names; a new one when there is no `old`."""
        given: dict[str, Any] = {}
        for each in args.given:
            if each in self.kind.__struct_fields__ and each != self.field:
                value = getattr(args, each)
                given[each] = tuple(value) if isinstance(value, list) else value
        if old is None:
            return self.kind(**{self.field: self._folded(name)}, **given)
        return msgspec.structs.replace(old, **given)

    async def finished(self, ctx: Context, value: S, args: Args) -> S:
        """What is stored of an object that has passed its own rules."""
        return value

    # -- Endpoints -----------------------------------------------------------------------------------------------------

    def serve(
        self,
        engine: Engine[Any],
        path: str,
        args: type[Args],
        *,
        show: Show[S],
        finish: Finish[S] | None = None,
        exists: bool = True,
        guard: Guard | None = None,
        then: str = "",
    ) -> None:
        """Declare the endpoints `path` (list) and `path/{field}` on an engine.

        `args` are a write's parameters, the name among them. `show` gives what reading answers, `then` says what a
        deletion leaves. Without `exists` all writes count as updates.
        """
        self.serve_list(engine, path)
        self.serve_read(engine, path, show)
        self.serve_write(engine, path, args, finish, exists=exists)
        self.serve_delete(engine, path, guard, then)

    def serve_list(self, engine: Engine[Any], path: str) -> None:
        """Declare the list of names."""

        async def names(ctx: Context) -> dict[str, Any]:
            keys = await ctx.storage.list(self.prefix)
            if not keys:
                raise NotFound
            return {"keys": keys}

        names.__doc__ = f"List the {self.noun.partition(' ')[2]}s."
        engine.list(path)(names)

    def serve_read(self, engine: Engine[Any], path: str, show: Show[S], then: str = "") -> None:
        """Declare reading one; `then` ends the help's sentence."""

        async def read(ctx: Context, args: Args) -> Any:
            return show(await self.need(ctx, getattr(args, self.field)))

        read.__doc__ = f"Read {self.noun}{then or '.'}"
        self._taking(read, self._named)
        engine.read(self._one(path))(read)

    def serve_write(
        self, engine: Engine[Any], path: str, args: type[Args], finish: Finish[S] | None = None, *, exists: bool = True
    ) -> None:
        """Declare making and changing one."""

        async def there(ctx: Context, args: Args) -> bool:
            # Locked already here, so that what needed only `create` cannot change what another request created.
            return await self.claim(ctx, getattr(args, self.field)) is not None

        async def write(ctx: Context, args: Args) -> None:
            name = getattr(args, self.field)
            value = self.changed(name, await self.claim(ctx, name), args)
            if finish is not None:
                value = await finish(ctx, value, args)
            self.save(ctx, name, await self.finished(ctx, value, args))

        write.__doc__ = f"Create or change {self.noun}."
        self._taking(write, args)
        engine.write(self._one(path), exists=there if exists else None)(write)

    def serve_delete(self, engine: Engine[Any], path: str, guard: Guard | None = None, then: str = "") -> None:
        """Declare deleting one, which need not be there; `then` ends the help's sentence."""

        async def delete(ctx: Context, args: Args) -> None:
            name = getattr(args, self.field)
            await self.lock(ctx, name)
            if guard is not None:
                await guard(ctx, name)
            ctx.storage.delete(self.key(name))

        delete.__doc__ = f"Delete {self.noun}{then or '.'}"
        self._taking(delete, self._named)
        engine.delete(self._one(path))(delete)

    def _one(self, path: str) -> str:
        return f"{path}/{{{self.field}}}"

    def _taking(self, handler: Callable[..., Any], args: type[Args]) -> None:
        handler.__annotations__["args"] = args
