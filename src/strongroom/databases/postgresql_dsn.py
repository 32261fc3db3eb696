"""Where a PostgreSQL database is and how it is reached: `connection_url` and what stands beside it, for libpq.

Both of libpq's forms are taken, `postgresql://...` and `key=value ...`. TLS material comes as PEM text; libpq only
reads files, so it gets files that exist in memory alone.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import psycopg
from psycopg.conninfo import conninfo_to_dict

from strongroom.databases import settings
from strongroom.databases.plugin import SettingError
from strongroom.databases.words import redacted

CONNECT_SECONDS: Final = 10

_URL: Final = re.compile(r"postgres(?:ql)?://")
#: What a segment of a URL's path keeps as it is.
_UNRESERVED: Final = "$&+:=@-._~"
#: libpq's setting for each piece of PEM text.
_PEM: Final = {"tls_ca": "sslrootcert", "tls_certificate": "sslcert", "private_key": "sslkey"}
#: Errors that say little without their details: what still depends on a role that is to be dropped.
_WITH_DETAIL: Final = ("2BP01",)
_CONNECTION_FAILED: Final = re.compile(r"^(connection failed: )?(connection to server [^\n]*? failed: )?", re.DOTALL)


@dataclass(slots=True)
class Target:
    """What libpq is given. `words` says who connects to what, without any secret."""

    parameters: dict[str, Any] = field(repr=False)
    words: str
    secrets: list[str] = field(repr=False)
    #: Files in memory that `parameters` name.
    files: list[int] = field(default_factory=list)

    def __del__(self) -> None:
        # Not when the database is closed: work that still waits for a connection would then find them gone.
        self.close()

    def close(self) -> None:
        """Give up the files."""
        while self.files:
            os.close(self.files.pop())


def read_target(details: Mapping[str, Any]) -> Target:
    """The target that a connection's settings describe; raises `SettingError`."""
    url = settings.connection_url(details)
    username, password = settings.user_and_password(details)
    escape = _no_change if settings.truth(details, "disable_escaping") else _escape_for(url)
    filled = url.replace("{{username}}", escape(username)).replace("{{password}}", escape(password))
    try:
        parameters = conninfo_to_dict(filled)
    except (psycopg.Error, UnicodeError):
        raise SettingError("connection_url is neither a URL nor key=value settings of PostgreSQL") from None
    parameters.setdefault("connect_timeout", str(CONNECT_SECONDS))
    parameters.setdefault("application_name", "strongroom")
    # Connections at rest must not be cut off by what lies between; one whose other end is gone must be noticed.
    for name, value in (("keepalives_idle", 60), ("keepalives_interval", 10), ("keepalives_count", 3)):
        parameters.setdefault(name, value)
    user = parameters.get("user") or username
    words = f"`user={user} database={parameters.get('dbname') or user}`"
    secrets = (password, parameters.get("password"), parameters.get("sslpassword"))
    target = Target(parameters, words, [str(secret) for secret in secrets if secret])
    for setting, name in _PEM.items():
        pem = settings.text(details, setting)
        if pem:
            parameters[name] = _file(pem, target)
    return target


def _file(content: str, target: Target) -> str:
    descriptor = os.memfd_create("pem", os.MFD_CLOEXEC)
    target.files.append(descriptor)
    os.fchmod(descriptor, 0o600)  # libpq refuses keys that others could read
    os.write(descriptor, content.encode())
    return f"/proc/self/fd/{descriptor}"


def _no_change(value: str) -> str:
    return value


def _escape_for(url: str) -> Any:
    return _escape_url if _URL.match(url) else _escape_setting


def _escape_url(value: str) -> str:
    # "@" and ":" would end the name or the password.
    return quote(value, safe=_UNRESERVED.replace(":", "").replace("@", ""))


def _escape_setting(value: str) -> str:
    """A value for `key=value`, with and without quotes around it."""
    return re.sub(r"([\s'\\])", r"\\\1", value)


def server_words(error: psycopg.Error, secrets: Iterable[str]) -> str:
    """What the server said: `ERROR: role "x" does not exist (SQLSTATE 42704)`."""
    said = error.diag
    if said.message_primary:
        text = f"{said.severity_nonlocalized or said.severity or 'ERROR'}: {said.message_primary}"
        if said.sqlstate:
            text += f" (SQLSTATE {said.sqlstate})"
        if said.message_detail and said.sqlstate in _WITH_DETAIL:
            text += f": {'; '.join(said.message_detail.splitlines())}"
    else:
        text = " ".join(str(error).split())
    return redacted(text, secrets)


def connection_words(error: psycopg.Error, target: Target) -> str:
    """Why a connection could not be opened, in one line."""
    reasons = []
    for line in _CONNECTION_FAILED.sub("", str(error), count=1).splitlines():
        line = " ".join(line.split()).removeprefix("- ")
        if line and line not in reasons and not line.startswith("Is the server running"):
            reasons.append(line)
    return redacted(f"failed to connect to {target.words}: {'; '.join(reasons)}", target.secrets)
