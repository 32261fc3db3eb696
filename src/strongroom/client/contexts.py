"""Named servers: where each is, how to trust it, and the token for it.

They lie in `$XDG_CONFIG_HOME/strongroom/contexts.json` (else `~/.config/strongroom/`), mode 0600:

    {"v": 1, "current": name or "",
     "contexts": {name: {"address", "ca_cert", "ca_path", "client_cert", "client_key", "namespace",
                         "tls_server_name", "token"}}}          what is empty is left out

A token is sent to its own context's address only: an address from a flag or a variable sets the context aside whole.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, NamedTuple

from strongroom.client.errors import AddressError

#: Chooses a context for one shell or one command.
VARIABLE = "STRONGROOM_CONTEXT"
_LIMIT = 1 << 20
_FORMAT = 1
_NAME_LENGTH = 64


class Context(NamedTuple):
    """One server."""

    address: str = ""
    ca_cert: str = ""
    ca_path: str = ""
    client_cert: str = ""
    client_key: str = ""
    namespace: str = ""
    tls_server_name: str = ""
    token: str = ""

    def __repr__(self) -> str:
        return f"Context(address={self.address!r})"


#: What a context gives to a client's settings where nothing else does.
SETTINGS = tuple(name for name in Context._fields if name not in ("address", "token"))


def file_path(env: Mapping[str, str]) -> str:
    """Where the contexts lie."""
    home = env.get("HOME") or os.path.expanduser("~")  # noqa: PTH111 (pathlib costs start-up time)
    base = env.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")  # noqa: PTH118
    return os.path.join(base, "strongroom", "contexts.json")  # noqa: PTH118


def check_name(name: str) -> str:
    """A name that can be typed; raises `AddressError`."""
    plain = name.replace("-", "").replace("_", "").replace(".", "")
    if not (plain.isascii() and plain.isalnum()) or name[0] in "-." or len(name) > _NAME_LENGTH:
        raise AddressError("a context's name is made of letters, digits, dots, dashes and underscores")
    return name


class Contexts:
    """All contexts of this user, and which is in use."""

    def __init__(self, path: str, current: str = "", contexts: dict[str, Context] | None = None) -> None:
        self.path, self.current, self.all = path, current, contexts or {}

    @classmethod
    def load(cls, env: Mapping[str, str]) -> Contexts:
        """Read them; none is fine. Raises `AddressError` for a file that cannot be used."""
        path = file_path(env)
        try:
            with open(path, "rb") as file:  # noqa: PTH123
                content = file.read(_LIMIT)
        except FileNotFoundError:
            return cls(path)
        except OSError as error:
            raise AddressError(f"error reading {path}: {error.strerror}") from None
        return cls(path, *_parse(path, content))

    def save(self) -> None:
        """Replace the file at once; raises `AddressError`."""
        from strongroom.client import jsontext
        from strongroom.client.files import replace_file

        listed = {name: {k: v for k, v in one._asdict().items() if v} for name, one in sorted(self.all.items())}
        content = jsontext.dumps({"v": _FORMAT, "current": self.current, "contexts": listed}, indent=2) + "\n"
        try:
            os.makedirs(os.path.dirname(self.path), mode=0o700, exist_ok=True)  # noqa: PTH103, PTH120
            replace_file(self.path, content.encode())
        except OSError as error:
            raise AddressError(f"error writing {self.path}: {error.strerror}") from None

    def get(self, name: str) -> Context:
        """A context by name; raises `AddressError` with those that there are."""
        if name not in self.all:
            known = ", ".join(sorted(self.all)) or "there are none yet"
            raise AddressError(f'there is no context "{name}" ({known})')
        return self.all[name]


def _parse(path: str, content: bytes) -> tuple[str, dict[str, Context]]:
    from strongroom.client import jsontext

    try:
        value = jsontext.loads(content)
    except ValueError as error:
        raise AddressError(f"error reading {path}: {error}") from None
    listed = value.get("contexts") if isinstance(value, dict) else None
    if not isinstance(value, dict) or not isinstance(listed, dict):
        raise AddressError(f"error reading {path}: it holds no contexts")
    if str(value.get("v")) != str(_FORMAT):
        raise AddressError(f"error reading {path}: it was written by a newer version")
    found = {str(name): _context(path, name, one) for name, one in listed.items()}
    current = value.get("current")
    return current if isinstance(current, str) else "", found


def _context(path: str, name: str, value: Any) -> Context:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise AddressError(f'error reading {path}: the context "{name}" is damaged')
    return Context(**{key: value[key] for key in Context._fields if key in value})


class ContextTokens:
    """The token of one context: a token helper like the one that keeps `~/.vault-token`."""

    def __init__(self, env: Mapping[str, str], name: str) -> None:
        self._env, self._name = env, name

    def get(self) -> str:
        """The context's token or ""."""
        return Contexts.load(self._env).get(self._name).token

    def store(self, token: str) -> None:
        """Keep a token for the context."""
        contexts = Contexts.load(self._env)
        contexts.all[self._name] = contexts.get(self._name)._replace(token=token)
        contexts.save()

    def erase(self) -> None:
        """Forget its token."""
        self.store("")


def active(env: Mapping[str, str]) -> tuple[str, Context] | None:
    """The context in use, or None; raises `AddressError` for a name that there is not."""
    contexts = Contexts.load(env)
    name = env.get(VARIABLE) or contexts.current
    return (name, contexts.get(name)) if name else None
