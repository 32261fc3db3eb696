"""The method's engine, and what it stores below its mount; names are in lower case:

config         JSON of Config
cert/<name>    JSON of Role
crls/<name>    JSON of Revoked: the serial numbers of one revocation list
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from strongroom.api.context import Context
from strongroom.api.messages import Timestamp
from strongroom.api.routes import Engine
from strongroom.auth.token_params import TokenParams, TokenResource

cert: Engine[Context] = Engine("cert", kind="auth", help="Machines log in with a TLS client certificate.")

CONFIG: Final = "config"
ROLE: Final = "cert/"
CRL: Final = "crls/"

#: Go's zero time, which clients know from lists whose next issue is not announced.
NEVER: Final = "0001-01-01T00:00:00Z"


class Config(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """Settings of the mount; `role_cache_size` is in roles, -1 to keep none."""

    disable_binding: bool = False
    enable_identity_alias_metadata: bool = False
    ocsp_cache_size: int = 100
    role_cache_size: int = 200
    v: int = 1


class Role(TokenParams, frozen=True, omit_defaults=True, kw_only=True):
    """Whose certificates may log in, and what the tokens are. Lists that were never given are None."""

    name: str
    #: PEM: one client's own certificate, or authorities that clients' certificates come from.
    certificate: str = ""
    display_name: str = ""
    allowed_names: tuple[str, ...] | None = None
    allowed_common_names: tuple[str, ...] | None = None
    allowed_dns_sans: tuple[str, ...] | None = None
    allowed_email_sans: tuple[str, ...] | None = None
    allowed_uri_sans: tuple[str, ...] | None = None
    allowed_organizational_units: tuple[str, ...] | None = None
    required_extensions: tuple[str, ...] | None = None
    allowed_metadata_extensions: tuple[str, ...] | None = None
    ocsp_enabled: bool = False
    ocsp_ca_certificates: str = ""
    ocsp_servers_override: tuple[str, ...] | None = None
    ocsp_fail_open: bool = False
    ocsp_query_all_servers: bool = False
    v: int = 1

    def shown(self) -> dict[str, Any]:
        """The role as it is read back."""
        own = {name: getattr(self, name) for name in OWN}
        lists = {name: list(value) for name, value in own.items() if isinstance(value, tuple)}
        return {**TokenParams.shown(self), **own, **lists}


#: The parameters of a role that are no token's.
OWN: Final = tuple(
    name for name in Role.__struct_fields__ if name not in TokenParams.__struct_fields__ and name not in ("name", "v")
)


class Revoked(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One revocation list: serial numbers in decimal, and where the list comes from, "" for nowhere.

    `valid_until_ns` is when its next issue is due, in Unix nanoseconds; 0 when it does not say.
    """

    serials: frozenset[str] = frozenset()
    url: str = ""
    valid_until_ns: int = 0
    v: int = 1

    def shown(self) -> dict[str, Any]:
        """The list as it is read back."""
        until = Timestamp(self.valid_until_ns) if self.valid_until_ns else NEVER
        cdp = {"url": self.url, "valid_until": until} if self.url else None
        return {"cdp": cdp, "serials": {serial: {} for serial in sorted(self.serials, key=int)}}


async def load_config(ctx: Context) -> Config:
    """The mount's settings, as they are without any too."""
    return await ctx.storage.load(CONFIG, Config) or Config()


ROLES: Final = TokenResource(Role, ROLE, lower=True)
