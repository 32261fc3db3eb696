from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.auth.own_server import data, ok, refused
from tests.unit.system.whole import WholeServer, served

from strongroom.core import log_levels


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    """The levels are the process's: put them back."""
    loggers = [logging.getLogger(log_levels.ROOT)]
    loggers += [logging.getLogger(f"{log_levels.ROOT}.{name}") for name in log_levels.names()]
    before = {logger: logger.level for logger in loggers}
    yield
    for logger, level in before.items():
        logger.setLevel(level)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("trace", "trace"),
        ("DEBUG", "debug"),
        ("info", "info"),
        ("notice", "info"),
        ("warning", "warn"),
        ("warn", "warn"),
        ("err", "error"),
        ("error", "error"),
    ],
)
def test_every_word_for_a_level_is_taken(written: str, shown: str) -> None:
    async def scenario(server: WholeServer) -> None:
        assert ok(await server.write("sys/loggers/core", level=written)).empty
        assert data(await server.read("sys/loggers/core")) == {"core": shown}

    served(scenario)


def test_all_loggers_are_set_together_and_one_alone() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/loggers/audit", level="trace"))
        ok(await server.write("sys/loggers", level="debug"))
        levels = data(await server.read("sys/loggers"))
        assert {"audit", "core", "seal"} <= levels.keys()
        assert set(levels.values()) == {"debug"}
        ok(await server.write("sys/loggers/core", level="error"))
        levels = data(await server.read("sys/loggers"))
        assert (levels["core"], levels["audit"]) == ("error", "debug")

    served(scenario)


def test_resetting_gives_back_the_configured_level() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/loggers", level="trace"))
        ok(await server.delete("sys/loggers/core"))
        levels = data(await server.read("sys/loggers"))
        assert (levels["core"], levels["audit"]) == ("warn", "trace")
        ok(await server.delete("sys/loggers"))
        assert set(data(await server.read("sys/loggers")).values()) == {"warn"}

    served(scenario, log_level="warn")


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("", {}, "level is required"),
        ("", {"level": "loud"}, "invalid level provided: unknown log level: loud"),
        ("/core", {}, "level is required"),
        ("/core", {"level": "50"}, "invalid level provided: unknown log level: 50"),
        ("/none-such", {"level": "warn"}, 'logger "none-such" not found'),
    ],
)
def test_bad_levels_and_unknown_loggers_are_refused(path: str, body: dict[str, Any], text: str) -> None:
    async def scenario(server: WholeServer) -> None:
        assert refused(await server.write("sys/loggers" + path, **body)) == ("BadRequest", text)

    served(scenario)


def test_an_unknown_logger_shows_nothing_and_is_not_made() -> None:
    async def scenario(server: WholeServer) -> None:
        assert data(await server.read("sys/loggers/none-such")) == {}
        assert refused(await server.delete("sys/loggers/none-such"))[0] == "BadRequest"
        assert "none-such" not in log_levels.names()

    served(scenario)
