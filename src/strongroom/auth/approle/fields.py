"""`role/<name>/<field>`: one endpoint for each of a role's parameters, all from the table `FIELDS`."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, Final

from msgspec.structs import replace

from strongroom.api.args import Args
from strongroom.api.context import Context
from strongroom.api.messages import Response
from strongroom.auth.approle.engine import approle
from strongroom.auth.approle.model import ROLE_LOCK, Role, load_role
from strongroom.auth.approle.roles import RoleArgs, RoleName, changed, need_role, save
from strongroom.errors import BadRequest, NotFound, UnsupportedPath


@dataclasses.dataclass(frozen=True, slots=True)
class Row:
    """One field's endpoint.

    `old` is the parameter's older name where the endpoint takes it; `missing` is the name that a write without the
    parameter is refused with, "" where it changes nothing.
    """

    path: str
    name: str
    old: str = ""
    missing: str = ""
    #: Shown in place of an empty list.
    empty: Any = ()
    #: The name that the endpoint itself uses.
    shown: str = ""


FIELDS: Final = (
    Row("policies", "token_policies", old="policies", missing="token_policies"),
    Row("period", "token_period", old="period", missing="period"),
    Row("bind-secret-id", "bind_secret_id", missing="bind_secret_id"),
    Row("secret-id-num-uses", "secret_id_num_uses", missing="secret_id_num_uses"),
    Row("secret-id-ttl", "secret_id_ttl", missing="secret_id_ttl"),
    Row("token-ttl", "token_ttl", missing="token_ttl"),
    Row("token-max-ttl", "token_max_ttl", missing="token_max_ttl"),
    Row("token-num-uses", "token_num_uses", missing="token_num_uses"),
    Row("secret-id-bound-cidrs", "secret_id_bound_cidrs"),
    Row("bound-cidr-list", "secret_id_bound_cidrs", old="bound_cidr_list", shown="bound_cidr_list"),
    Row("token-bound-cidrs", "token_bound_cidrs", empty=None),
)
_DEFAULTS: Final = Role(name="", key="", role_id="")
#: How the endpoint of a field words what the role words in general.
_TTL_REFUSALS: Final = {
    "token_ttl": "token_ttl should not be greater than token_max_ttl",
    "token_max_ttl": "token_max_ttl should be greater than or equal to token_ttl",
}


def _args_of(row: Row) -> type[Args]:
    """The arguments of one field's write: the role's name and the field under its names."""
    names = [n for n in dict.fromkeys((row.shown or row.name, row.old)) if n]
    known = {name: RoleArgs.fields[name] for name in names}
    space: dict[str, Any] = {name: dataclasses.replace(f) for name, f in known.items()}
    space["__annotations__"] = {name: _annotation(name) for name in names}
    space["__doc__"] = "The role and the one field."
    return type("FieldArgs", (RoleName,), space)


def _annotation(name: str) -> Any:
    """What the role's own parameter is declared as."""
    declared = RoleArgs.fields[name]
    base = type(declared.default)
    if declared.kind in ("int", "bool", "str"):
        return base
    return Annotated[list[str] if base is list else base, declared.kind]


def _shown(row: Row, role: Role) -> dict[str, Any]:
    value = getattr(role, row.name) if not row.shown or role.bound_cidr_list else None
    if isinstance(value, tuple):
        value = list(value) or (row.empty if row.empty is None else [])
    data = {row.shown or row.name: value}
    if row.old in role.old_names:
        data[row.old] = value
    return data


def _declare(row: Row) -> None:
    args_of_write = _args_of(row)

    async def read(ctx: Context, args: RoleName) -> Response:
        role = await need_role(ctx, args.role_name, NotFound())
        warnings = []
        if row.shown:
            warnings.append(
                f'The "{row.shown}" parameter is deprecated and will be removed. Please use "{row.name}" instead.'
            )
        return Response(data=_shown(row, role), warnings=warnings)

    async def write(ctx: Context, args: args_of_write) -> None:  # type: ignore[valid-type]
        await ctx.lock(ROLE_LOCK, "")
        role = await need_role(ctx, args.role_name, UnsupportedPath())  # type: ignore[attr-defined]
        if not args.given - {"role_name"}:  # type: ignore[attr-defined]
            if row.missing:
                raise BadRequest(f"missing {row.missing}")
            return
        await save(ctx, role, _written(row, role, args))

    async def delete(ctx: Context, args: RoleName) -> None:
        await ctx.lock(ROLE_LOCK, "")
        role = await load_role(ctx, args.role_name)
        if role is None:
            return
        old_names = tuple(name for name in role.old_names if name != row.old)
        reset = {row.name: getattr(_DEFAULTS, row.name), "old_names": old_names}
        await save(ctx, role, replace(role, **reset))

    write.__annotations__["args"] = args_of_write
    what = row.path.replace("-", " ")
    read.__doc__, write.__doc__, delete.__doc__ = (f"{verb} the role's {what}." for verb in ("Read", "Change", "Reset"))
    pattern = f"role/{{role_name}}/{row.path}"
    approle.read(pattern)(read)
    approle.write(pattern)(write)
    approle.delete(pattern)(delete)


def _written(row: Row, role: Role, args: Any) -> Role:
    if row.name in _TTL_REFUSALS:
        ttl, top = (getattr(args if n == row.name else role, n) for n in _TTL_REFUSALS)
        if 0 < top < ttl:
            raise BadRequest(_TTL_REFUSALS[row.name])
    try:
        return changed(role, args)
    except BadRequest as e:
        if row.name == "token_bound_cidrs":
            raise BadRequest(f"failed to parse {row.name}: {e.errors[0]}") from None
        raise


for _row in FIELDS:
    _declare(_row)
