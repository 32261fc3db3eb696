"""One body of a configuration file → the values of its settings, with the place of everything in every error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from strongroom import hcl
from strongroom.api.fields import Invalid
from strongroom.config.schema import Place
from strongroom.config.settings import KINDS, Setting
from strongroom.errors import ConfigError, HCLError

#: A value from `file://` is a setting, not a disk image.
MAX_VALUE = 1 << 20


@dataclass(slots=True)
class Values:
    """What a body sets: values by name, where each is written, and all of it as written (for `sanitized`)."""

    values: dict[str, Any] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)
    raw: dict[str, Any] = field(default_factory=dict)


def place_of(body: hcl.Body, at: hcl.Item | hcl.Block | hcl.Value) -> Place:
    """The place of a part of a body."""
    return Place(body.file, at.line, at.column)


def blocks(body: hcl.Body, name: str, labels: int) -> list[hcl.Block]:
    """The blocks of a name; a `ConfigError` for what is no block."""
    try:
        return body.blocks(name, labels)
    except HCLError as error:
        fix = f'Write {name} "TYPE" {{ ... }}' if labels else f"Write {name} {{ ... }}"
        raise Place(error.file, error.line, error.column).error(error.message, fix) from error


class Reader:
    """Reads bodies by rows of the table, and gathers warnings."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.warnings: list[str] = []

    def read(
        self,
        body: hcl.Body,
        rows: Sequence[Setting],
        *,
        nested: Iterable[str] = (),
        what: str = "",
        open_ended: bool = False,
    ) -> Values:
        """The settings of a body. `nested` are the blocks that the caller reads; `what` names the body in messages.

        With `open_ended` unknown keys are taken as they are.
        """
        known = {row.name: row for row in rows}
        out = Values()
        for item in body.items:
            name, place = item.keys[0], place_of(body, item)
            if name in known:
                if len(item.keys) > 1:
                    raise place.error(f"{what}{name}: expected a value, not a block", KINDS[known[name].kind].fix)
                if name in out.places:
                    self.warnings.append(
                        f"field {name} is set again at {place}; the one at {out.places[name]} is ignored"
                    )
                if known[name].inert:
                    self.warnings.append(f"field {name} at {place} has no effect in Strongroom")
                out.values[name] = self.value(
                    known[name], item.value, Place(body.file, item.value.line, item.value.column), what
                )
                if known[name].missed(out.values[name]):
                    self.pending(what + name, place)
                out.places[name] = place
                if not known[name].secret:
                    out.raw[name] = hcl.plain(item.value)
            elif name not in nested and open_ended:
                out.values[name] = hcl.plain(item.value)
            elif name not in nested:
                self._unknown(name, place, [*known, *nested])
        return out

    def pending(self, name: str, place: Place) -> None:
        """Warn that what is set here does nothing yet."""
        self.warnings.append(f"{name} is understood, but has no effect yet: {place}")

    def _unknown(self, name: str, place: Place, known: Sequence[str]) -> None:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f'; did you mean "{near[0]}"?' if near else ""
        self.warnings.append(f"unknown or unsupported field {name} found in configuration at {place}{hint}")

    def value(self, row: Setting, value: hcl.Value, place: Place, what: str = "") -> Any:
        """A setting's value. Raises `ConfigError`; a secret, or what `env://` or `file://` gave, is never in it."""
        name = f"{what}{row.name}"
        plain = self._resolved(hcl.plain(value), name, place)
        hidden = row.secret or plain != hcl.plain(value)
        return self.coerced(row, plain, place, name, hidden=hidden)

    def coerced(self, row: Setting, plain: Any, place: Place, name: str, *, hidden: bool = False) -> Any:
        """The Python value of a setting from text, number, list or map."""
        kind = KINDS[row.kind]
        try:
            value = kind.parse(plain)
        except Invalid as error:
            raise place.error(f"{name}: the value does not fit" if hidden else f"{name}: {error}", kind.fix) from None
        if row.choices and value:
            value = value.lower()
            if value not in row.choices:
                shown = "the value" if hidden else f'"{value[:64]}"'
                raise place.error(f"{name}: {shown} is not known here", f"Use one of {', '.join(row.choices)}")
        return value

    def _resolved(self, value: Any, name: str, place: Place) -> Any:
        """The value with `env://NAME` and `file://PATH` read, in lists and maps too."""
        if isinstance(value, list):
            return [self._resolved(item, name, place) for item in value]
        if isinstance(value, dict):
            return {key: self._resolved(item, name, place) for key, item in value.items()}
        if not isinstance(value, str):
            return value
        if value.startswith("env://"):
            variable = value.removeprefix("env://")
            if variable not in self.environ:
                raise place.error(
                    f"{name}: the environment variable {variable} is not set", "Set it where the server is started"
                )
            return self.environ[variable]
        if value.startswith("file://"):
            return _file_value(Path(value.removeprefix("file://")), name, place)
        return value


def _file_value(path: Path, name: str, place: Place) -> str:
    """A file's content without its last newline."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_VALUE + 1)
        if len(content) > MAX_VALUE:
            raise place.error(
                f"{name}: {path} is longer than {MAX_VALUE >> 20} MiB", "Name the file that holds the value"
            )
        return content.decode().removesuffix("\n").removesuffix("\r")
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "it is not text"
        raise place.error(
            f"{name}: cannot read {path}: {reason}", "Name a file that the server may read, with the value in it"
        ) from None


def read_text(path: Path) -> str:
    """The text of a configuration file. Raises `ConfigError`."""
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError("the file is not UTF-8 text", file=str(path), line=line) from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise ConfigError(
            f"cannot read the configuration: {reason}", file=str(path), fix="Check the path given with -config"
        ) from None
