"""Where a MySQL or MariaDB server is: the form of `connection_url` that Go's driver takes.

    [username[:password]@][protocol[(address)]]/[database][?parameter=value&...]

Placeholders are filled in once it has been taken apart, so names and passwords may hold anything. Of the parameters
`tls`, `timeout`, `readTimeout` and `writeTimeout` are acted on, those that are the Go driver's own business are passed
over, and others are session variables, as they are to that driver.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl

from strongroom.api.fields import Invalid, parse_duration
from strongroom.databases import settings
from strongroom.databases.plugin import SettingError

PORT: Final = 3306
CONNECT_SECONDS: Final = 10.0

_DSN: Final = re.compile(
    r"(?:(?P<user>[^:@/]*(?:\{\{username\}\})?)(?::(?P<password>.*))?@)?"
    r"(?:(?P<net>\w+)?(?:\((?P<address>[^)]*)\))?)/(?P<database>[^/?]*)(?:\?(?P<query>.*))?",
    re.DOTALL,
)
_VARIABLE: Final = re.compile(r"\w+", re.ASCII)
_IGNORED: Final = frozenset(
    (
        "allowAllFiles",
        "allowCleartextPasswords",
        "allowFallbackToPlaintext",
        "allowNativePasswords",
        "allowOldPasswords",
        "charset",
        "checkConnLiveness",
        "clientFoundRows",
        "collation",
        "columnsWithAlias",
        "connectionAttributes",
        "interpolateParams",
        "loc",
        "maxAllowedPacket",
        "multiStatements",
        "parseTime",
        "rejectReadOnly",
        "serverPubKey",
        "timeTruncate",
    )
)
_TLS_WORDS: Final = ("true", "false", "skip-verify", "preferred", "custom", "")


@dataclass(slots=True)
class Target:
    """Keyword arguments for PyMySQL. `words` says who connects to what, without any secret."""

    arguments: dict[str, Any] = field(repr=False)
    words: str
    secrets: list[str] = field(repr=False)


class _NamedContext(ssl.SSLContext):
    """Checks the server's certificate for a name of its own."""

    name = ""

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        if self.name:
            kwargs["server_hostname"] = self.name
        return super().wrap_socket(*args, **kwargs)


def read_target(details: Mapping[str, Any]) -> Target:
    """The target that a connection's settings describe; raises `SettingError`."""
    match = _DSN.fullmatch(settings.connection_url(details))
    if match is None:
        raise SettingError("connection_url is not of the form username:password@tcp(host:port)/database")
    username, password = settings.user_and_password(details)

    def filled(part: str) -> str:
        return (match[part] or "").replace("{{username}}", username).replace("{{password}}", password)

    user, secret = filled("user"), filled("password")
    arguments: dict[str, Any] = {
        "user": user,
        "password": secret,
        "database": match["database"] or None,
        "connect_timeout": CONNECT_SECONDS,
        "autocommit": True,
        "charset": "utf8mb4",
        "program_name": "strongroom",
        **_address(match["net"] or "tcp", match["address"] or ""),
    }
    tls = _parameters(match["query"] or "", arguments)
    arguments["ssl"] = _tls(details, tls)
    arguments["ssl_disabled"] = arguments["ssl"] is None
    return Target(arguments, f"`user={user} database={match['database']}`", [s for s in (password, secret) if s])


def _address(net: str, address: str) -> dict[str, Any]:
    if net == "unix":
        return {"unix_socket": address}
    if net not in ("tcp", "tcp4", "tcp6"):
        raise SettingError(f"connection_url names a protocol that there is not: {net[:16]}")
    host, _, port = address.rpartition(":") if re.search(r":[0-9]+$", address) else (address, "", "")
    return {"host": host.strip("[]") or "127.0.0.1", "port": int(port or PORT)}


def _parameters(query: str, arguments: dict[str, Any]) -> str:
    """Act on the parameters; returns the word for TLS."""
    tls, variables = "", []
    timeouts = {"timeout": "connect_timeout", "readTimeout": "read_timeout", "writeTimeout": "write_timeout"}
    for name, value in parse_qsl(query, keep_blank_values=True):
        if name == "tls":
            tls = value
        elif name in timeouts:
            try:
                seconds = parse_duration(value)
            except Invalid as error:
                raise SettingError(f"connection_url has an invalid {name}: {error}") from None
            arguments[timeouts[name]] = seconds if seconds > 0 else arguments.get(timeouts[name])
        elif name not in _IGNORED:
            if not _VARIABLE.fullmatch(name):
                raise SettingError("connection_url has a parameter whose name cannot be a variable's")
            variables.append(f"SET {name} = {value}")
    if variables:
        arguments["init_command"] = variables
    return tls


def _tls(details: Mapping[str, Any], word: str) -> ssl.SSLContext | None:
    """How the connection is encrypted; None for not at all."""
    if word not in _TLS_WORDS:
        raise SettingError(f"connection_url has an unknown value of tls: {word[:32]}")
    authority, bundle = settings.text(details, "tls_ca"), settings.text(details, "tls_certificate_key")
    if not authority and not bundle and word in ("", "false", "custom"):
        return None
    context = _NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = settings.text(details, "tls_server_name")
    try:
        if authority:
            context.load_verify_locations(cadata=authority)
        else:
            context.load_default_certs()
        if bundle:
            _load_bundle(context, bundle)
    except (ssl.SSLError, ValueError):
        raise SettingError("tls_ca or tls_certificate_key is not PEM text of certificates and a key") from None
    if settings.truth(details, "tls_skip_verify") or word in ("skip-verify", "preferred"):
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _load_bundle(context: ssl.SSLContext, bundle: str) -> None:
    """A certificate and its key; Python reads them from files only, so this is one that exists in memory."""
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, bundle.encode())
        context.load_cert_chain(f"/proc/self/fd/{descriptor}")
    finally:
        os.close(descriptor)
