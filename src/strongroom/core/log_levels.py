"""The levels of the process's loggers, under Vault's names.

A logger's short name is what follows `strongroom.`: `core`, `audit`, `http`. They belong to the process, not to the
unsealed server: what is set stays through a sealing and ends with the process.

Somebody who watches the log (core/log_stream.py) may want more of it than is set. Then the loggers let more pass, and
`wanted` keeps that out of the log itself.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

ROOT: Final = "strongroom"
TRACE: Final = 5
LEVELS: Final = {
    "trace": TRACE,
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "notice": logging.INFO,
    "warn": logging.WARNING,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "err": logging.ERROR,
}
_SHOWN: Final = ((TRACE, "trace"), (logging.DEBUG, "debug"), (logging.INFO, "info"), (logging.WARNING, "warn"))

#: The levels that the watchers want, and meanwhile the levels that are set, by short name and "" for all.
_watchers: list[int] = []
_set: dict[str, int] = {}


def names() -> list[str]:
    """The short names of all loggers, sorted."""
    prefix = ROOT + "."
    found = logging.root.manager.loggerDict.items()
    return sorted(
        name.removeprefix(prefix)
        for name, logger in found
        if name.startswith(prefix) and isinstance(logger, logging.Logger)
    )


def level(name: str) -> str:
    """The level that a logger logs at."""
    number = _level_of(name) if _watchers else _logger(name).getEffectiveLevel()
    return next((word for most, word in _SHOWN if number <= most), "error")


def set_root(number: int) -> None:
    """Let the loggers that have no level of their own log from this level up."""
    _change({"": number})


def set_level(name: str, word: str) -> None:
    """Let one logger log at a level, a key of `LEVELS`."""
    _change({name: LEVELS[word]})


def set_all(word: str) -> None:
    """Let every logger log at a level, those to come too."""
    _change({"": LEVELS[word], **dict.fromkeys(names(), logging.NOTSET)})


@contextmanager
def watched(number: int) -> Iterator[None]:
    """Let everything from this level up happen, while it lasts; `wanted` still lets pass only what is set."""
    if not _watchers:
        _set.update({name: _logger(name).level for name in ("", *names())})
    _watchers.append(number)
    _apply()
    try:
        yield
    finally:
        _watchers.remove(number)
        _apply()
        if not _watchers:
            _set.clear()


def wanted(record: logging.LogRecord) -> bool:
    """Whether a record passes by what is set, whoever else may watch; a filter for handlers."""
    if not _watchers or not record.name.startswith(ROOT):
        return True
    return record.levelno >= _level_of(record.name[len(ROOT) + 1 :])


def _logger(name: str) -> logging.Logger:
    return logging.getLogger(f"{ROOT}.{name}" if name else ROOT)


def _level_of(name: str) -> int:
    """The level that is set for a logger, or for what it belongs to."""
    while name and not _set.get(name):
        name = name.rpartition(".")[0]
    return _set.get(name, logging.NOTSET)


def _change(levels: dict[str, int]) -> None:
    if _watchers:
        _set.update(levels)
        _apply()
        return
    for name, number in levels.items():
        _logger(name).setLevel(number)


def _apply() -> None:
    for name, number in _set.items():
        # A logger without a level of its own has that of what it belongs to.
        _logger(name).setLevel(min([number, *_watchers]) if number or not name else logging.NOTSET)
