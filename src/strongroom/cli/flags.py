"""Flags as Go programs take them: one dash or two, `-flag=value` or `-flag value`, truth values only with `=`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from strongroom.client.durations import parse_duration
from strongroom.client.settings import parse_bool

_INT64 = 2**63


class FlagError(Exception):
    """Wrong use of a flag, in Go's words; `hint` says what may have been meant."""

    hint = ""


class Flag(NamedTuple):
    """One flag. `kind` is a row of KINDS; `default` and `env` are what help says about the absence of it."""

    name: str
    help: str
    kind: str = "string"
    aliases: tuple[str, ...] = ()
    default: str = ""
    env: str = ""


def parse_int(text: str) -> int:
    """A whole number as Go reads it: decimal, 0x, 0o, 0b or 0 for octal, at most 64 bits."""
    digits = text.lstrip("+-")
    base = 8 if len(digits) > 1 and digits[0] == "0" and digits[1] in "01234567" else 0
    try:
        if not text.isascii() or len(text) - len(digits) > 1 or len(text) > 80:
            raise ValueError
        value = int(text, base)
    except ValueError:
        raise ValueError(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if not -_INT64 <= value < _INT64:
        raise ValueError(f'strconv.ParseInt: parsing "{text}": value out of range')
    return value


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f'missing = in KV pair: "{text}"')
    return key.strip(), value.strip()


def parse_month(text: str) -> str:
    """A moment as RFC 3339, given so, as a month, a day, or in Unix seconds."""
    from datetime import UTC, datetime

    try:
        if text.isascii() and text.isdecimal() and len(text) > 6:
            moment = datetime.fromtimestamp(int(text), UTC)
        else:
            moment = datetime.fromisoformat(f"{text}-01" if len(text) == 7 else text)
    except (ValueError, OverflowError, OSError):
        raise ValueError("expected YYYY-MM, YYYY-MM-DD, RFC 3339 or Unix seconds") from None
    moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0)
    return moment.isoformat().replace("+00:00", "Z")


class Kind(NamedTuple):
    """How a flag's text becomes a value, what stands for it in help, and its value when absent."""

    parse: Callable[[str], Any]
    shown: str
    absent: Any = None
    gather: Callable[[Any, Any], Any] | None = None


KINDS = {
    "string": Kind(str, "string", ""),
    "bool": Kind(parse_bool, "", False),
    "int": Kind(parse_int, "int", 0),
    "duration": Kind(parse_duration, "duration", 0),
    "date": Kind(parse_month, "date", ""),
    "list": Kind(str.strip, "string", (), lambda old, new: [*old, new]),
    "map": Kind(_pair, "key=value", {}, lambda old, new: {**old, new[0]: new[1]}),
}


class Values:
    """What was given on a command line, and what counts where nothing was."""

    def __init__(self, flags: dict[str, Flag]) -> None:
        self._flags = flags
        self._given: dict[str, Any] = {}

    def set(self, flag: Flag, text: str) -> None:
        """Take a value; raises `ValueError` with the reason."""
        kind = KINDS[flag.kind]
        value = kind.parse(text)
        if kind.gather:
            value = kind.gather(self._given.get(flag.name, kind.absent), value)
        self._given[flag.name] = value

    def given(self, name: str) -> bool:
        """Was it on the command line?"""
        return name in self._given

    def text(self, name: str) -> str:
        """A text, "" if absent."""
        return str(self._value(name))

    def bool(self, name: str) -> bool:
        """A truth value, false if absent."""
        return bool(self._value(name))

    def int(self, name: str) -> int:
        """A number, 0 if absent; of a duration its nanoseconds."""
        return int(self._value(name))

    def list(self, name: str) -> list[str]:
        """The texts of a repeated flag."""
        return list(self._value(name))

    def map(self, name: str) -> dict[str, str]:
        """The pairs of a repeated flag."""
        return dict(self._value(name))

    def _value(self, name: str) -> Any:
        if name in self._given:
            return self._given[name]
        return KINDS[self._flags[name].kind].absent if name in self._flags else ""


def by_name(flags: tuple[Flag, ...]) -> dict[str, Flag]:
    """Each flag under each of its names."""
    return {name: flag for flag in flags for name in (flag.name, *flag.aliases)}


def parse(flags: tuple[Flag, ...], words: list[str], *, anywhere: bool = False) -> tuple[Values, list[str]]:
    """Take the flags before the first argument, or `anywhere`; returns the values and the arguments.

    Raises:
        FlagError: a flag is unknown or has a wrong value.
    """
    known = by_name(flags)
    values = Values(known)
    rest, arguments = list(words), list[str]()
    while rest:
        word = rest[0]
        if len(word) < 2 or word[0] != "-":
            if not anywhere:
                break
            arguments.append(rest.pop(0))
            continue
        rest.pop(0)
        if word == "--":
            break
        name, equals, text = word[2 if word.startswith("--") else 1 :].partition("=")
        if not name or name[0] == "-":
            raise FlagError(f"bad flag syntax: {word}")
        flag = known.get(name)
        if flag is None:
            raise _unknown(name, known)
        _set(values, flag, name, text if equals else None, rest)
    return values, arguments + rest


def _unknown(name: str, known: dict[str, Flag]) -> FlagError:
    import difflib

    error = FlagError(f"flag provided but not defined: -{name}")
    if close := difflib.get_close_matches(name.replace("_", "-"), known, n=2, cutoff=0.75):
        error.hint = f"Did you mean {' or '.join(f'-{one}' for one in close)}?"
    return error


def _set(values: Values, flag: Flag, name: str, text: str | None, rest: list[str]) -> None:
    if flag.kind == "bool":
        try:
            values.set(flag, "true" if text is None else text)
        except ValueError:
            why = f'strconv.ParseBool: parsing "{text}": invalid syntax'
            raise FlagError(f'invalid boolean value "{text}" for -{name}: {why}') from None
        return
    if text is None:
        if not rest:
            raise FlagError(f"flag needs an argument: -{name}")
        text = rest.pop(0)
    try:
        values.set(flag, text)
    except ValueError as error:
        raise FlagError(f'invalid value "{text}" for flag -{name}: {error}') from None


#: Picked up wherever they stand, so no hint about their place is due.
ANYWHERE = ("format", "output-curl-string", "output-policy", "detailed")


def misplaced(arguments: list[str]) -> list[str]:
    """Arguments that look like flags but stand too late to be any."""
    late = [word for word in arguments if len(word) > 1 and word[0] == "-"]
    return [word for word in late if word.lstrip("-").partition("=")[0] not in ANYWHERE]
