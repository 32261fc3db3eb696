"""Templates for user names: the part of Go's text/template that Vault's documentation of them uses.

    v-{{ .DisplayName | truncate 8 }}-{{ random 20 }}-{{ unix_time }}

Actions hold a pipeline of fields, literals, function calls and parentheses. There are no variables, conditions and
loops. Rendering is pure but for randomness and the time.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from strongroom.clock import Clock, new_uuid, random_text
from strongroom.databases.plugin import SettingError

LONGEST: Final = 4096
MOST_RANDOM: Final = 1000
_PROBLEM: Final = "unable to initialize username template: "

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<field>\.[A-Za-z_]\w*) | (?P<name>[A-Za-z_]\w*) | (?P<int>-?[0-9]+)
        | (?P<string>"(?:[^"\\\n]|\\.)*") | (?P<raw>`[^`]*`) | (?P<sign>[|()])
    )""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(r"\\(.)")
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", '"': '"', "\\": "\\", "'": "'"}
_VERB: Final = re.compile(r"%(-?[0-9]*)([sdvqx%])")

#: Go's reference time, piece by piece, longest first; and how Python writes each.
_LAYOUT: Final = {
    "January": "%B",
    "Monday": "%A",
    "2006": "%Y",
    "-07:00": "+00:00",
    "Z07:00": "Z",
    "-0700": "%z",
    "Jan": "%b",
    "Mon": "%a",
    "MST": "UTC",
    "01": "%m",
    "02": "%d",
    "03": "%I",
    "15": "%H",
    "04": "%M",
    "05": "%S",
    "06": "%y",
    "PM": "%p",
}
_LAYOUT_PART: Final = re.compile("|".join(re.escape(part) for part in _LAYOUT))


class _Problem(SettingError):
    pass


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise _Problem("a number was expected")
    return value


def _random(length: Any) -> str:
    if not 0 < _whole(length) <= MOST_RANDOM:
        raise _Problem("the number of random characters is out of range")
    return random_text(length)


def _truncate(length: Any, text: Any) -> str:
    if _whole(length) <= 0:
        raise _Problem("a length must be greater than 0")
    return str(text)[:length]


def _truncate_sha256(length: Any, text: Any) -> str:
    """Cut, but so that different texts stay different: the last eight characters are a hash of what was cut."""
    if _whole(length) <= 8:
        raise _Problem("a length must be greater than 8")
    whole = str(text)
    if len(whole) <= length:
        return whole
    return whole[: length - 8] + hashlib.sha256(whole[length - 8 :].encode()).hexdigest()[:8]


def _printf(layout: Any, *values: Any) -> str:
    rest = list(values)

    def verb(match: re.Match[str]) -> str:
        if match[2] == "%":
            return "%"
        if not rest:
            raise _Problem("printf has more verbs than values")
        value = rest.pop(0)
        if match[2] == "d":
            return str(f"%{match[1][:5]}d" % _whole(value))
        if match[2] == "q":
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"') + '"'
        if match[2] == "x":
            return f"{value:x}" if isinstance(value, int) else str(value).encode().hex()
        return str(f"%{match[1][:5]}s" % value)

    return _VERB.sub(verb, str(layout))


def _timestamp(clock: Clock, layout: Any) -> str:
    now = datetime.fromtimestamp(clock.now_ns() // 1_000_000_000, UTC)
    pattern = _LAYOUT_PART.sub(lambda match: _LAYOUT[match[0]], str(layout).replace("%", "%%"))
    return now.strftime(pattern)


#: Each function, and how few and how many values it takes.
_FUNCTIONS: Final[Mapping[str, tuple[Callable[..., Any], int, int]]] = {
    "random": (_random, 1, 1),
    "truncate": (_truncate, 2, 2),
    "truncate_sha256": (_truncate_sha256, 2, 2),
    "uppercase": (lambda text: str(text).upper(), 1, 1),
    "lowercase": (lambda text: str(text).lower(), 1, 1),
    "replace": (lambda old, new, text: str(text).replace(str(old), str(new)), 3, 3),
    "sha256": (lambda text: hashlib.sha256(str(text).encode()).hexdigest(), 1, 1),
    "base64": (lambda text: base64.b64encode(str(text).encode()).decode(), 1, 1),
    "uuid": (new_uuid, 0, 0),
    "printf": (_printf, 1, 32),
}
_CLOCKED: Final[Mapping[str, tuple[Callable[..., Any], int, int]]] = {
    "unix_time": (lambda clock: clock.now_ns() // 1_000_000_000, 0, 0),
    "unix_time_millis": (lambda clock: clock.now_ns() // 1_000_000, 0, 0),
    "timestamp": (_timestamp, 1, 1),
}


@dataclass(frozen=True, slots=True)
class _Call:
    """A step of a pipeline: a function and its values, or (without one) a value."""

    name: str
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class _Pipeline:
    steps: tuple[_Call, ...]


@dataclass(frozen=True, slots=True)
class _Field:
    name: str


class Template:
    """A template that has been read.

    Raises:
        SettingError: it cannot be read, or names what there is not.
    """

    def __init__(self, text: str, fields: Sequence[str]) -> None:
        if len(text) > LONGEST:
            raise SettingError(f"{_PROBLEM}it is longer than {LONGEST} characters")
        self._parts: list[str | _Pipeline] = []
        try:
            self._read(text, frozenset(fields))
        except _Problem as error:
            raise SettingError(f"{_PROBLEM}unable to parse template: template: template:1: {error}") from None

    def render(self, values: Mapping[str, str], clock: Clock) -> str:
        """The text for some values of the fields; raises `SettingError`."""
        try:
            return "".join(part if isinstance(part, str) else str(_run(part, values, clock, 0)) for part in self._parts)
        except _Problem as error:
            raise SettingError(f"failed to generate username: {error}") from None

    def _read(self, text: str, fields: frozenset[str]) -> None:
        at, trim = 0, False
        while True:
            begin = text.find("{{", at)
            literal = text[at:] if begin < 0 else text[at:begin]
            if trim:
                literal = literal.lstrip()
            if begin < 0:
                self._parts.append(literal)
                return
            end = _action_end(text, begin + 2)
            action = text[begin + 2 : end]
            if action[:1] == "-" and action[1:2].isspace():
                literal, action = literal.rstrip(), action[1:]
            trim = action[-1:] == "-" and action[-2:-1].isspace()
            self._parts.append(literal)
            self._parts.append(_Reader(action[:-1] if trim else action, fields).read())
            at = end + 2


def _action_end(text: str, at: int) -> int:
    quoted = re.compile(r'"(?:[^"\\\n]|\\.)*"|`[^`]*`|\}\}', re.DOTALL)
    while True:
        match = quoted.search(text, at)
        if match is None:
            raise _Problem("unclosed action")
        if match[0] == "}}":
            return match.start()
        at = match.end()


class _Reader:
    """Reads one action."""

    def __init__(self, action: str, fields: frozenset[str]) -> None:
        self._fields = fields
        self._tokens: list[tuple[str, str]] = []
        at, action = 0, action.rstrip()
        while at < len(action):
            match = _TOKEN.match(action, at)
            if match is None or match.lastgroup is None:
                raise _Problem("unexpected character in an action")
            self._tokens.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        self._tokens.reverse()

    def read(self) -> _Pipeline:
        """The whole action."""
        pipeline = self._pipeline(0)
        if self._tokens:
            raise _Problem("unexpected right parenthesis")
        return pipeline

    def _pipeline(self, depth: int) -> _Pipeline:
        if depth > 20:
            raise _Problem("too many parentheses within each other")
        steps = [self._command(depth, first=True)]
        while self._tokens and self._tokens[-1] == ("sign", "|"):
            self._tokens.pop()
            steps.append(self._command(depth, first=False))
        return _Pipeline(tuple(steps))

    def _command(self, depth: int, *, first: bool) -> _Call:
        name, values = "", []
        if self._tokens and self._tokens[-1][0] == "name":
            name = self._tokens.pop()[1]
        while self._tokens and self._tokens[-1] not in (("sign", "|"), ("sign", ")")):
            values.append(self._operand(depth))
        if not name:
            if len(values) != 1 or not first:
                raise _Problem("missing value for command" if not values else "a value is no function")
            return _Call("", tuple(values))
        _, least, most = _function(name)
        if not least <= len(values) + (not first) <= most:
            raise _Problem(f"wrong number of args for {name}")
        return _Call(name, tuple(values))

    def _operand(self, depth: int) -> Any:
        kind, text = self._tokens.pop()
        if kind == "field":
            if text[1:] not in self._fields:
                raise _Problem(f"there is no field {text[:64]}")
            return _Field(text[1:])
        if kind == "int":
            if len(text) > 18:
                raise _Problem("integer overflow")
            return int(text)
        if kind == "string":
            return _ESCAPE.sub(lambda match: _ESCAPES.get(match[1], match[1]), text[1:-1])
        if kind == "raw":
            return text[1:-1]
        if kind == "name":
            return _Pipeline((_bare_call(text),))
        inner = self._pipeline(depth + 1)
        if not self._tokens or self._tokens.pop() != ("sign", ")"):
            raise _Problem("unclosed left parenthesis")
        return inner


def _function(name: str) -> tuple[Callable[..., Any], int, int]:
    found = _FUNCTIONS.get(name) or _CLOCKED.get(name)
    if found is None:
        raise _Problem(f'function "{name[:64]}" not defined')
    return found


def _bare_call(name: str) -> _Call:
    if _function(name)[1]:
        raise _Problem(f"wrong number of args for {name}")
    return _Call(name, ())


def _run(pipeline: _Pipeline, fields: Mapping[str, str], clock: Clock, depth: int) -> Any:
    result: Any = None
    for number, step in enumerate(pipeline.steps):
        values = [_value(value, fields, clock, depth) for value in step.values]
        if number:
            values.append(result)
        if not step.name:
            result = values[0]
        elif step.name in _CLOCKED:
            result = _CLOCKED[step.name][0](clock, *values)
        else:
            result = _FUNCTIONS[step.name][0](*values)
    return result


def _value(value: Any, fields: Mapping[str, str], clock: Clock, depth: int) -> Any:
    if isinstance(value, _Field):
        return fields[value.name]
    if isinstance(value, _Pipeline):
        return _run(value, fields, clock, depth + 1)
    return value
