"""The policies that are there from the start."""

from __future__ import annotations

import pytest

from strongroom.policy import builtin
from strongroom.policy.match import ACL
from strongroom.policy.parse import parse_policy

ALL = ["create", "delete", "list", "read", "update"]


class Ann:
    def value(self, name: str) -> str | None:
        return {"identity.entity.id": "e-1", "identity.entity.name": "ann"}.get(name)


DEFAULT = {
    "auth/token/lookup-self": ["read"],
    "auth/token/renew-self": ["update"],
    "auth/token/revoke-self": ["update"],
    "sys/capabilities-self": ["update"],
    "sys/internal/ui/resultant-acl": ["read"],
    "sys/leases/renew": ["update"],
    "sys/leases/lookup": ["update"],
    "cubbyhole/a": ALL,
    "cubbyhole/a/b": ALL,
    "sys/wrapping/wrap": ["update"],
    "sys/wrapping/lookup": ["update"],
    "sys/wrapping/unwrap": ["update"],
    "sys/tools/hash": ["update"],
    "sys/tools/hash/sha2-512": ["update"],
    "identity/entity/id/e-1": ["read"],
    "identity/entity/name/ann": ["read"],
}
NOT_DEFAULT = [
    *("auth/token/create", "auth/token/lookup", "auth/token/renew", "auth/token/revoke", "cubbyhole", "secret/data/a"),
    *("sys/capabilities", "sys/renew/x", "sys/leases/revoke", "sys/wrapping/rewrap", "sys/tools/random", "sys/mounts"),
    *("sys/policies/acl/default", "sys/health", "sys/seal-status", "identity/entity/id", "identity/entity/id/e-2"),
]


def acl(name: str) -> ACL:
    return ACL.compile([parse_policy(builtin.TEXTS[name], name)], Ann())


@pytest.mark.parametrize("path", [*DEFAULT, *NOT_DEFAULT])
def test_default_grants_what_vaults_does(path: str) -> None:
    assert acl(builtin.DEFAULT).capabilities(path) == DEFAULT.get(path, ["deny"])


def test_response_wrapping_opens_one_answer() -> None:
    assert acl(builtin.RESPONSE_WRAPPING).rules() == {
        "exact_paths": {
            "cubbyhole/response": {"capabilities": ["create", "read"]},
            "sys/wrapping/unwrap": {"capabilities": ["update"]},
        },
        "glob_paths": {},
        "root": False,
    }
