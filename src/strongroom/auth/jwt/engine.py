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

jwt: Engine[Context] = Engine(
    "jwt", kind="auth", help="People and machines log in with JWTs of an issuer, or with OpenID Connect in a browser."
)

CONFIG: Final = "config"
ROLE: Final = "role/"
JWT, OIDC = "jwt", "oidc"
STRING, GLOB = "string", "glob"
CLIENT, DEVICE = "client", "device"


class Config(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Whom the method trusts; one of `oidc_discovery_url`, `jwks_url` and `jwt_validation_pubkeys` is set."""

    oidc_discovery_url: str = ""
    oidc_discovery_ca_pem: str = ""
    oidc_client_id: str = ""
    oidc_client_secret: str = ""
    oidc_response_mode: str = ""
    oidc_response_types: tuple[str, ...] = ()
    jwks_url: str = ""
    jwks_ca_pem: str = ""
    jwt_validation_pubkeys: tuple[str, ...] = ()
    jwt_supported_algs: tuple[str, ...] = ()
    bound_issuer: str = ""
    default_role: str = ""
    provider_config: dict[str, Any] = {}
    namespace_in_state: bool = True
    v: int = 1

    def __repr__(self) -> str:
        return f"Config({self.oidc_discovery_url or self.jwks_url!r})"

    def shown(self) -> dict[str, Any]:
        """The configuration as it is read back, without the client's secret."""
        values = {name: getattr(self, name) for name in self.__struct_fields__ if name not in ("v", HIDDEN)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}


HIDDEN: Final = "oidc_client_secret"


class Role(TokenParams, frozen=True, omit_defaults=True, kw_only=True):
    """Whose tokens log in, and what their holders get. Durations in seconds; leeways below 0 are none at all."""

    name: str
    role_type: str = OIDC
    allowed_redirect_uris: tuple[str, ...] | None = None
    bound_audiences: tuple[str, ...] | None = None
    bound_claims: dict[str, Any] | None = None
    bound_claims_type: str = STRING
    bound_subject: str = ""
    callback_mode: str = CLIENT
    claim_mappings: dict[str, str] | None = None
    clock_skew_leeway: int = 0
    expiration_leeway: int = 0
    groups_claim: str = ""
    max_age: int = 0
    not_before_leeway: int = 0
    oidc_scopes: tuple[str, ...] | None = None
    user_claim: str = ""
    user_claim_json_pointer: bool = False
    verbose_oidc_logging: bool = False
    v: int = 1

    def shown(self) -> dict[str, Any]:
        """The role as it is read back; lists and maps that were never set are null."""
        values = {name: getattr(self, name) for name in OWN}
        own = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
        if self.callback_mode == CLIENT:
            del own["callback_mode"]  # Vault has no other mode, and no word for it
        return {**TokenParams.shown(self), **own}


OWN: Final = tuple(n for n in Role.__struct_fields__ if n not in (*TokenParams.__struct_fields__, "name", "v"))


ROLES: Final = TokenResource(Role, ROLE, lower=True)
