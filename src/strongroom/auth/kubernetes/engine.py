"""The method's engine, and what it stores below its mount:

config         JSON of Config
role/<name>    JSON of Role; the name is in lower case
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from strongroom.api.context import Context
from strongroom.api.routes import Engine
from strongroom.auth.token_params import TokenParams, TokenResource

kubernetes: Engine[Context] = Engine(
    "kubernetes", kind="auth", help="Pods log in with the JWT of their service account; the cluster reviews it."
)

CONFIG: Final = "config"
ROLE: Final = "role/"
BY_UID, BY_NAME = "serviceaccount_uid", "serviceaccount_name"


class Config(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Which cluster, and how it is asked. `review_cache_ttl` is in seconds."""

    kubernetes_host: str
    kubernetes_ca_cert: str = ""
    token_reviewer_jwt: str = ""
    pem_keys: tuple[str, ...] = ()
    issuer: str = ""
    disable_iss_validation: bool = True
    disable_local_ca_jwt: bool = False
    review_cache_ttl: int = 0
    v: int = 1

    def __repr__(self) -> str:
        return f"Config({self.kubernetes_host!r})"

    def shown(self) -> dict[str, Any]:
        """The configuration as it is read back; of the reviewer's JWT only whether there is one."""
        data: dict[str, Any] = {
            "kubernetes_host": self.kubernetes_host,
            "kubernetes_ca_cert": self.kubernetes_ca_cert,
            "pem_keys": list(self.pem_keys),
            "issuer": self.issuer,
            "disable_iss_validation": self.disable_iss_validation,
            "disable_local_ca_jwt": self.disable_local_ca_jwt,
            "token_reviewer_jwt_set": bool(self.token_reviewer_jwt),
        }
        if self.review_cache_ttl:
            data["review_cache_ttl"] = self.review_cache_ttl
        return data


class Role(TokenParams, frozen=True, omit_defaults=True, kw_only=True):
    """Which service accounts may log in, and what their tokens are."""

    name: str
    bound_service_account_names: tuple[str, ...] = ()
    bound_service_account_namespaces: tuple[str, ...] = ()
    #: A label selector for namespaces, as JSON; "" for none.
    bound_service_account_namespace_selector: str = ""
    audience: str = ""
    alias_name_source: str = BY_UID
    v: int = 1

    def shown(self) -> dict[str, Any]:
        """The role as it is read back."""
        data = {
            **TokenParams.shown(self),
            "alias_name_source": self.alias_name_source,
            "bound_service_account_names": list(self.bound_service_account_names),
            "bound_service_account_namespaces": list(self.bound_service_account_namespaces),
        }
        for name in ("audience", "bound_service_account_namespace_selector"):
            if getattr(self, name):
                data[name] = getattr(self, name)
        return data


ROLES: Final = TokenResource(Role, ROLE, lower=True)
