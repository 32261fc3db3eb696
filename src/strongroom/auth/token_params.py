"""The `token_*` parameters that every auth method's roles and users have: what the tokens of a login may be.

    roles = TokenResource(Role, "role/", lower=True)
    roles.serve(engine, "role", RoleArgs, show=Role.shown, finish=finished, then=KEPT)

Each has an older name without the prefix at some methods (`policies`, `ttl`, ...). The new name wins; an older one that
brought a value is shown again, with the value in force. Source: Vault's documentation and recorded answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.cidrs import parse_cidrs
from strongroom.api.context import Context
from strongroom.api.fields import CommaList, Duration
from strongroom.api.messages import Auth
from strongroom.api.resource import Resource
from strongroom.errors import BadRequest

PREFIX: Final = "token_"
TYPES: Final = frozenset({"", "default", "service", "batch", "default-service", "default-batch"})
BATCH: Final = frozenset({"batch", "default-batch"})
TRUNCATED: Final = (
    "token_max_ttl is greater than the backend mount's maximum TTL value; "
    "issued tokens' max TTL value will be truncated"
)


#: What deleting a role leaves of its tokens, after the words for that itself.
KEPT: Final = ". Its tokens go on, but can no longer be renewed."


class TokenArgs(Args):
    """What the tokens of a login are. What is not given stays as it is."""

    token_bound_cidrs: CommaList = field("Addresses and networks that tokens can be used from.")
    token_explicit_max_ttl: Duration = field("How long tokens live at most, whatever else says.")
    token_max_ttl: Duration = field("How long tokens live at most, renewals included.")
    token_no_default_policy: bool = field("Leave out the policy 'default'.")
    token_num_uses: int = field("After how many requests tokens end; 0 for no limit.")
    token_period: Duration = field("Each renewal gives this long again, without a maximum.")
    token_policies: CommaList = field("The tokens' policies.")
    token_ttl: Duration = field("How long tokens live unless they are renewed.")
    token_type: str = field("service, batch, or default for what the mount says.", default="default")


class OldPolicies(Args):
    """The older name of one parameter."""

    policies: CommaList = field("The old name of token_policies.", deprecated=True)


class OldPeriod(Args):
    """The older name of one parameter."""

    period: Duration = field("The old name of token_period.", deprecated=True)


class OldLimits(Args):
    """The older names of some parameters."""

    ttl: Duration = field("The old name of token_ttl.", deprecated=True)
    max_ttl: Duration = field("The old name of token_max_ttl.", deprecated=True)
    bound_cidrs: CommaList = field("The old name of token_bound_cidrs.", deprecated=True)


class OldUses(Args):
    """The older name of one parameter."""

    num_uses: int = field("The old name of token_num_uses.", deprecated=True)


class TokenParams(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """The parameters as roles store them; durations in seconds. `old_names` are the older names that are shown."""

    token_bound_cidrs: tuple[str, ...] = ()
    token_explicit_max_ttl: int = 0
    token_max_ttl: int = 0
    token_no_default_policy: bool = False
    token_num_uses: int = 0
    token_period: int = 0
    token_policies: tuple[str, ...] = ()
    token_ttl: int = 0
    token_type: str = "default"  # noqa: S105 - a kind, not a secret
    old_names: tuple[str, ...] = ()

    def shown(self) -> dict[str, Any]:
        """The parameters as they are read back."""
        data: dict[str, Any] = {name: _plain(getattr(self, name)) for name in NAMES}
        for old in self.old_names:
            data[old] = data[PREFIX + old]
        return data

    def auth(self, **more: Any) -> Auth:
        """What a login asks for; `more` are the fields of `Auth` that the method knows."""
        internal = {**more.pop("internal", {}), "explicit_max_ttl": self.token_explicit_max_ttl}
        return Auth(
            policies=list(self.token_policies),
            renewable=True,
            token_type=self.token_type,
            num_uses=self.token_num_uses,
            bound_cidrs=list(self.token_bound_cidrs),
            no_default_policy=self.token_no_default_policy,
            explicit_max_ttl=self.token_explicit_max_ttl,
            internal=internal,
            **self._terms(),
            **more,
        )

    def renewed(self, internal: Mapping[str, Any]) -> Auth:
        """The terms of a renewal: those of now, but for the explicit maximum, which is the login's for good."""
        return Auth(explicit_max_ttl=internal.get("explicit_max_ttl", 0), **self._terms())

    def _terms(self) -> dict[str, Any]:
        return {"ttl": self.token_ttl, "max_ttl": self.token_max_ttl, "period": self.token_period}


NAMES: Final = tuple(TokenArgs.fields)
P = TypeVar("P", bound=TokenParams)


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def with_token_args(params: P, args: Args) -> P:
    """The parameters after a write.

    Raises:
        BadRequest: one of them cannot be, or not together with another.
    """
    changes: dict[str, Any] = {}
    old_names = set(params.old_names)
    for name in NAMES:
        old = name.removeprefix(PREFIX)
        by_old = old in args.given and old in args.fields
        if name in args.given or by_old:
            value = getattr(args, name if name in args.given else old)
            changes[name] = tuple(value) if isinstance(value, list) else value
            (old_names.add if by_old else old_names.discard)(old)
    if not changes:
        return params
    if "token_bound_cidrs" in changes:
        changes["token_bound_cidrs"] = parse_cidrs(changes["token_bound_cidrs"])
    if changes.get("token_type") == "":
        changes["token_type"] = "default"  # noqa: S105 - a kind, not a secret
    changed = replace(params, **changes, old_names=tuple(sorted(old_names)))
    check(changed)
    return changed


def check(params: TokenParams) -> None:
    """Refuse what cannot be, alone or together."""
    if params.token_type not in TYPES:
        raise BadRequest(f"invalid 'token_type' value \"{params.token_type}\"")
    if params.token_num_uses < 0:
        raise BadRequest("'token_num_uses' cannot be negative")
    if params.token_type in BATCH:
        prefix = "'token_type' cannot be 'batch' or 'default_batch' when set to generate"
        if params.token_period:
            raise BadRequest(f"{prefix} periodic tokens")
        if params.token_num_uses:
            raise BadRequest(f"{prefix} tokens with limited use count")
    if 0 < params.token_max_ttl < params.token_ttl:
        raise BadRequest("'token_ttl' cannot be greater than 'token_max_ttl'")


def truncation(params: TokenParams, mount_max: int) -> list[str]:
    """The warning for a maximum that the mount's own will cut, if it does."""
    return [TRUNCATED] if params.token_max_ttl > mount_max else []


class TokenResource(Resource[P]):
    """Stored roles or users whose logins get tokens."""

    def changed(self, name: str, old: P | None, args: Args) -> P:
        """See `Resource.changed`; raises `BadRequest` for parameters of tokens that cannot be."""
        return with_token_args(super().changed(name, old, args), args)

    async def finished(self, ctx: Context, value: P, args: Args) -> P:
        """Warn of a maximum that the mount's own will cut."""
        for text in truncation(value, ctx.mount.max_lease_ttl):
            ctx.warn(text)
        return value


def policy_set(policies: Iterable[str]) -> list[str]:
    """Policies as a set, for a renewal that only goes on while they are the same; `default` makes no difference."""
    return sorted({policy.strip().lower() for policy in policies} - {"default", ""})
