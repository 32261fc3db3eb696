"""Stored objects with the usual endpoints: a list, and reading, writing and deleting one by name.

    roles = Resource(Role, "role/", field="name")
    roles.serve(engine, "roles", RoleArgs, show=shown, check=check_role)

An object lies below the mount at `<prefix><name>`, as JSON of its struct, whose fields are named like the parameters.
Writing changes the fields that the request names and leaves the others; what is not there yet begins with the struct's
defaults, so all fields but the name have one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import msgspec

from strongroom.api.args import Args
from strongroom.api.args import field as parameter
from strongroom.api.context import Context
from strongroom.api.fields import Name
from strongroom.errors import NotFound

if TYPE_CHECKING:
    from strongroom.api.routes import Engine

S = TypeVar("S", bound=msgspec.Struct)
Show = Callable[[S], Any]
Check = Callable[[Context, S, Any], None]


class Resource(Generic[S]):
    """A kind of stored object. `field` names the struct's field, and the path's parameter, that has the name."""

    def __init__(self, kind: type[S], prefix: str, *, field: str = "name", lower: bool = False) -> None:
        if not prefix.endswith("/"):
            raise ValueError("a resource's prefix ends in a slash")
        self.kind, self.prefix, self.field, self.lower = kind, prefix, field, lower

    def key(self, name: str) -> str:
        """Where an object lies."""
        return self.prefix + (name.lower() if self.lower else name)

    async def get(self, ctx: Context, name: str) -> S | None:
        """An object, shared: never change it."""
        return await ctx.storage.load(self.key(name), self.kind)

    async def need(self, ctx: Context, name: str) -> S:
        """An object that must be there; raises `NotFound`."""
        found = await self.get(ctx, name)
        if found is None:
            raise NotFound
        return found

    async def claim(self, ctx: Context, name: str) -> S | None:
        """An object that is about to change: locked to the end of the request."""
        await ctx.lock(self.prefix, name.lower() if self.lower else name)
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
            return self.kind(**{self.field: name.lower() if self.lower else name}, **given)
        return msgspec.structs.replace(old, **given)

    def serve(
        self,
        engine: Engine[Any],
        path: str,
        args: type[Args],
        *,
        show: Show[S],
        check: Check[S] | None = None,
        noun: str = "",
    ) -> None:
        """Declare the endpoints `path` (list) and `path/{field}` on an engine.

        `args` are a write's parameters, the name among them. `check` sees the object as it would be stored, and the
        arguments; it may warn, or raise `BadRequest`. `show` gives what reading answers.
        """
        noun = noun or path.rpartition("/")[2].removesuffix("s")
        one = f"{path}/{{{self.field}}}"
        named = _name_args(self.field, noun)

        async def names(ctx: Context) -> dict[str, Any]:
            keys = await ctx.storage.list(self.prefix)
            if not keys:
                raise NotFound
            return {"keys": keys}

        async def read(ctx: Context, args: Args) -> Any:
            return show(await self.need(ctx, getattr(args, self.field)))

        async def there(ctx: Context, args: Args) -> bool:
            # Locked already here, so that what needed only `create` cannot change what another request created.
            return await self.claim(ctx, getattr(args, self.field)) is not None

        async def write(ctx: Context, args: Args) -> None:
            name = getattr(args, self.field)
            value = self.changed(name, await self.claim(ctx, name), args)
            if check is not None:
                check(ctx, value, args)
            self.save(ctx, name, value)

        async def delete(ctx: Context, args: Args) -> None:
            name = getattr(args, self.field)
            await ctx.lock(self.prefix, name.lower() if self.lower else name)
            ctx.storage.delete(self.key(name))

        for handler, text, taken in (
            (names, f"List the {noun}s.", None),
            (read, f"Read a {noun}.", named),
            (write, f"Create or change a {noun}.", args),
            (delete, f"Delete a {noun}.", named),
        ):
            handler.__doc__ = text
            if taken is not None:
                handler.__annotations__["args"] = taken
        engine.list(path)(names)
        engine.read(one)(read)
        engine.write(one, exists=there)(write)
        engine.delete(one)(delete)


def _name_args(field: str, noun: str) -> type[Args]:
    """Arguments of nothing but a name."""
    return type("NameArgs", (Args,), {"__annotations__": {field: Name}, field: parameter(f"The {noun}'s name.")})
