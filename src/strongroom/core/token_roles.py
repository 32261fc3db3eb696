"""Token roles: what tokens made against one may be.

A role lies at `sys/token/role/<name>` as JSON of `RoleEntry`. Source: Vault's token API, recorded answers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from strongroom.core.token_model import PREFIX
from strongroom.errors import BadRequest

if TYPE_CHECKING:
    from strongroom.storage.transaction import Transaction

ROLE: Final = PREFIX + "role/"

TYPES: Final = ("service", "batch", "default-service", "default-batch")


class RoleEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A role as it is stored; durations in seconds. The last three are what the old names showed."""

    name: str
    allowed_policies: tuple[str, ...] = ()
    allowed_policies_glob: tuple[str, ...] = ()
    disallowed_policies: tuple[str, ...] = ()
    disallowed_policies_glob: tuple[str, ...] = ()
    allowed_entity_aliases: tuple[str, ...] = ()
    orphan: bool = False
    renewable: bool = True
    path_suffix: str = ""
    token_type: str = "default-service"  # noqa: S105 - a kind, not a secret
    token_period: int = 0
    token_explicit_max_ttl: int = 0
    token_bound_cidrs: tuple[str, ...] = ()
    token_no_default_policy: bool = False
    token_num_uses: int = 0
    period: int = 0
    explicit_max_ttl: int = 0
    bound_cidrs: tuple[str, ...] = ()
    v: int = 1

    @property
    def rules_policies(self) -> bool:
        """Whether the role, and not the parent token, says which policies its tokens may have."""
        return bool(
            self.allowed_policies
            or self.allowed_policies_glob
            or self.disallowed_policies
            or self.disallowed_policies_glob
        )

    def shown(self) -> dict[str, Any]:
        """The role as it is read back."""
        data: dict[str, Any] = {
            "allowed_entity_aliases": list(self.allowed_entity_aliases) or None,
            "allowed_policies": list(self.allowed_policies),
            "allowed_policies_glob": list(self.allowed_policies_glob),
            "disallowed_policies": list(self.disallowed_policies),
            "disallowed_policies_glob": list(self.disallowed_policies_glob),
            "explicit_max_ttl": self.explicit_max_ttl,
            "name": self.name,
            "orphan": self.orphan,
            "path_suffix": self.path_suffix,
            "period": self.period,
            "renewable": self.renewable,
            "token_explicit_max_ttl": self.token_explicit_max_ttl,
            "token_no_default_policy": self.token_no_default_policy,
            "token_period": self.token_period,
            "token_type": self.token_type,
        }
        for name in ("bound_cidrs", "token_bound_cidrs"):
            if cidrs := getattr(self, name):
                data[name] = list(cidrs)
        if self.token_num_uses:
            data["token_num_uses"] = self.token_num_uses
        return data


async def load_role(tx: Transaction, name: str) -> RoleEntry | None:
    """The role of this name (case counts), or None."""
    return await tx.load(ROLE + name, RoleEntry)


def check_role(role: RoleEntry) -> None:
    """Refuse what cannot be together."""
    if role.token_num_uses < 0:
        raise BadRequest("error parsing role fields: 'token_num_uses' cannot be negative")
    if role.token_type not in TYPES:
        raise BadRequest(f"invalid 'token_type' value \"{role.token_type}\"")
    if role.token_type != "batch":  # noqa: S105 - a kind, not a secret
        return
    for wrong, what in (
        (not role.orphan, "non-orphan tokens"),
        (role.token_period, "periodic tokens"),
        (role.renewable, "renewable tokens"),
        (role.token_explicit_max_ttl, "tokens with an explicit max TTL"),
    ):
        if wrong:
            raise BadRequest(f"'token_type' cannot be 'batch' when role is set to generate {what}")
