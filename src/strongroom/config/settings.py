"""What a setting is, and the kinds of values there are: text as Go would read it → Python."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from strongroom.api.fields import Invalid, parse_bool, parse_duration, parse_int


@dataclass(frozen=True, slots=True)
class Setting:
    """A row of the table. `kind` is a row of `KINDS`.

    `env` names an environment variable. A top-level setting's wins over the file; that of a backend, which may be meant
    for something else (`VAULT_TOKEN`), counts where the file says nothing.
    `reloadable` settings are read again on SIGHUP, `secret` ones are never shown, `inert` ones are known and change
    nothing here, `pending` ones do not yet. Whoever sets one of the last two is warned.
    """

    name: str
    kind: str
    default: Any
    help: str
    reloadable: bool = False
    secret: bool = False
    required: bool = False
    choices: tuple[str, ...] = ()
    env: str = ""
    inert: bool = False
    pending: bool = False

    def missed(self, value: Any) -> bool:
        """Whether who sets this value misses something: not with a switch that is set to what it is anyway."""
        return self.pending and not (isinstance(value, bool) and value == self.default)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value: what makes it (raises `Invalid`), and what to tell who wrote something else."""

    parse: Callable[[Any], Any]
    fix: str


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise Invalid("expected a text")


def _whole(parse: Callable[[Any], float]) -> Callable[[Any], int]:
    def whole(value: Any) -> int:
        seconds = parse(value)
        if seconds != int(seconds):
            raise Invalid("expected whole seconds")
        return int(seconds)

    return whole


def _not_negative(value: Any) -> float:
    seconds = parse_duration(value)
    if seconds < 0:
        raise Invalid("a duration cannot be negative")
    return seconds


def _bool(value: Any) -> bool:
    if isinstance(value, (bool, int, str)) and value != "":
        with suppress(Invalid):
            return parse_bool(value)
    raise Invalid("expected true or false")


def _int(value: Any) -> int:
    if not isinstance(value, bool) and value != "":
        with suppress(Invalid):
            return parse_int(value)
    raise Invalid("expected a whole number")


def _list(value: Any) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(_text(item) for item in value)
    return tuple(part.strip() for part in _text(value).split(",") if part.strip())


def _mode(value: Any) -> int:
    if not isinstance(value, str) or not value.isascii() or not value.isdigit():
        raise Invalid("expected an octal file mode")
    try:
        mode = int(value, 8)
    except ValueError:
        raise Invalid("expected an octal file mode") from None
    if mode > 0o777:
        raise Invalid("expected an octal file mode")
    return mode


def _headers(value: Any) -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """Response headers by status (`default`, `2xx`, `404`): name → values."""
    if not isinstance(value, dict):
        raise Invalid("expected a block of headers for each status")
    out: dict[str, dict[str, tuple[str, ...]]] = {}
    for status, headers in value.items():
        known = (
            status == "default"
            or (len(status) == 3 and status[0] in "12345" and status[1:] == "xx")
            or (len(status) == 3 and status.isascii() and status.isdigit() and "100" <= status <= "599")
        )
        if not known:
            raise Invalid(f'"{status}" is no status: use "default", "2xx" or "404"')
        if not isinstance(headers, dict):
            raise Invalid(f'"{status}" must hold headers')
        out[status] = {_header(name): _list([v] if isinstance(v, str) else v) for name, v in headers.items()}
    return out


def _header(name: str) -> str:
    if not name or not name.isascii() or not name.replace("-", "").replace("_", "").isalnum():
        raise Invalid(f'"{name[:64]}" is no header name')
    if name.lower().startswith("x-vault-"):
        raise Invalid(f'"{name}" is one of the server\'s own headers')
    return name


KINDS: Mapping[str, Kind] = {
    "text": Kind(_text, "Write a text in quotes"),
    "bool": Kind(_bool, "Write true or false"),
    "int": Kind(_int, "Write a whole number"),
    "seconds": Kind(_whole(_not_negative), 'Write a duration of whole seconds, such as 30, "30s" or "768h"'),
    "duration": Kind(_not_negative, 'Write a duration, such as 30, "30s" or "1h30m"'),
    "list": Kind(_list, "Write a list of texts, or one text with commas"),
    "mode": Kind(_mode, 'Write an octal mode in quotes, such as "0660"'),
    "headers": Kind(_headers, 'Write { "default" = { "Name" = ["value"] } }'),
}


def setting(kind: str, default: Any, help: str, **flags: Any) -> Any:  # noqa: A002 (what it is called everywhere)
    """A dataclass field that is a row of the table."""
    metadata = {"kind": kind, "help": help, **flags}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=dict, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata, repr=not flags.get("secret", False))


def rows(cls: Any) -> tuple[Setting, ...]:
    """The settings that a dataclass holds."""
    return tuple(
        Setting(f.name, default={} if f.default is dataclasses.MISSING else f.default, **f.metadata)
        for f in dataclasses.fields(cls)
        if f.metadata
    )
