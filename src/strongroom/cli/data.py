"""Data from the command line: `k=v`, `k=@file`, `k=-`, `@file`, `-`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from strongroom.cli.command import Refused
from strongroom.cli.flags import ANYWHERE
from strongroom.client import jsontext

_ERRNO_WORDS = {2: "no such file or directory", 13: "permission denied", 21: "is a directory", 20: "not a directory"}


def os_error(error: OSError) -> str:
    """The system's words as Go prints them."""
    words = _ERRNO_WORDS.get(error.errno or 0) or (error.strerror or type(error).__name__)
    return words[:1].lower() + words[1:]


def read_text(path: str) -> str:
    """A file's text, newlines kept; raises `ValueError` in Go's words."""
    try:
        with open(path, "rb") as file:  # noqa: PTH123
            content = file.read()
    except OSError as error:
        raise ValueError(f"open {path}: {os_error(error)}") from None
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text; encode it in base64 first") from None


class _Words:
    """Collects what the words say. A key given again makes a list of both values."""

    def __init__(self, stdin: Callable[[], str]) -> None:
        self.data: dict[str, Any] = {}
        self._stdin = stdin

    def add(self, word: str) -> None:
        """Take one word; raises `ValueError`."""
        if word == "-":
            self._document(self._stdin())
        elif word.startswith("@"):
            self._document(read_text(word[1:]))
        else:
            key, equals, value = word.partition("=")
            if not equals:
                raise ValueError("format must be key=value")
            self._pair(key, self._value(value))

    def _document(self, text: str) -> None:
        if not text.strip():
            raise ValueError("EOF")
        value = jsontext.loads(text)
        if not isinstance(value, dict):
            raise ValueError("the JSON must be an object")
        self.data.update(value)

    def _value(self, value: str) -> str:
        if value == "-":
            return self._stdin()
        if value.startswith("@"):
            try:
                return read_text(value[1:])
            except ValueError as error:
                raise ValueError(f"error reading file: {error}") from None
        return value[1:] if value.startswith("\\@") else value

    def _pair(self, key: str, value: str) -> None:
        if key not in self.data:
            self.data[key] = value
        elif isinstance(self.data[key], list):
            self.data[key] = [*self.data[key], value]
        else:
            self.data[key] = [self.data[key], value]


def without_format(words: list[str]) -> list[str]:
    """Leave out the flags that count wherever they stand: they are not data."""
    kept = []
    rest = iter(words)
    for word in rest:
        name, equals, _ = word.lstrip("-").partition("=")
        if word.startswith("-") and name in ANYWHERE:
            if name == "format" and not equals:
                next(rest, None)
            continue
        kept.append(word)
    return kept


def parse_words(words: list[str], stdin: Callable[[], str], what: str = "Failed to parse K=V data") -> dict[str, Any]:
    """The object that the words describe; raises `Refused` naming the word that is wrong."""
    collected = _Words(stdin)
    for word in without_format(words):
        try:
            collected.add(word)
        except ValueError as error:
            raise Refused(f'{what}: invalid key/value pair "{word}": {error}') from None
        if not _is_text(word):
            raise Refused(f"{what}: an argument is not UTF-8 text; give it as key=@file, encoded in base64")
    return collected.data


def parse_params(words: list[str], stdin: Callable[[], str]) -> dict[str, str]:
    """The same for a query string, whose values are texts."""
    from strongroom.cli.output import go_value

    return {
        key: value if isinstance(value, str) else go_value(value) for key, value in parse_words(words, stdin).items()
    }


def _is_text(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def clean_path(path: str) -> str:
    """A path without slashes and blanks at its ends."""
    return path.strip().strip("/")


def mount_path(path: str) -> str:
    """A mount's path: exactly one slash at its end."""
    return clean_path(path) + "/"
