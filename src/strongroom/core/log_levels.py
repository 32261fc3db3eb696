"""The levels of the process's loggers, under Vault's names.

A logger's short name is what follows `strongroom.`: `core`, `audit`, `http`. They belong to the process, not to the
unsealed server: what is set stays through a sealing and ends with the process.
"""

from __future__ import annotations

import logging
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
    number = logging.getLogger(f"{ROOT}.{name}").getEffectiveLevel()
    return next((word for most, word in _SHOWN if number <= most), "error")


def set_level(name: str, word: str) -> None:
    """Let one logger log at a level, a key of `LEVELS`."""
    logging.getLogger(f"{ROOT}.{name}").setLevel(LEVELS[word])


def set_all(word: str) -> None:
    """Let every logger log at a level, those to come too."""
    logging.getLogger(ROOT).setLevel(LEVELS[word])
    for name in names():
        logging.getLogger(f"{ROOT}.{name}").setLevel(logging.NOTSET)
