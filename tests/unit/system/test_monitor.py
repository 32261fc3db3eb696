"""The log as a stream: who may read it, what is in it, and how it ends."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from tests.unit.auth.own_server import ok, refused
from tests.unit.system.whole import WholeServer, served

from strongroom.core import log_levels, log_stream

log = logging.getLogger("strongroom.core")


@pytest.fixture(autouse=True)
def _levels() -> Iterator[None]:
    ours = logging.getLogger("strongroom")
    before = ours.level
    ours.setLevel(logging.WARNING)
    log.setLevel(logging.NOTSET)
    yield
    ours.setLevel(before)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_stream, "TOUCH_SECONDS", 0.01)


async def stream(server: WholeServer, by: str = "root", **query: Any) -> AsyncIterator[bytes]:
    """The lines of a stream that has begun."""
    lines = ok(await server.read("sys/monitor", by, **query)).bare
    assert isinstance(lines, AsyncIterator)
    assert await anext(lines) == b""
    return lines


async def line(lines: AsyncIterator[bytes]) -> str:
    while not (chunk := await anext(lines)):
        pass
    return chunk.decode()


async def rest(lines: AsyncIterator[bytes]) -> str:
    async with asyncio.timeout(10):
        return b"".join([chunk async for chunk in lines]).decode()


def test_lines_come_in_both_formats() -> None:
    async def scenario(server: WholeServer) -> None:
        people, programs = await stream(server), await stream(server, log_format="json")
        log.warning("careful")
        assert (await line(people))[25:] == "[WARN]  core: careful\n"
        assert json.loads(await line(programs))["@message"] == "careful"

    served(scenario)


def test_a_watcher_may_want_more_than_is_logged_and_the_log_stays_as_it_is() -> None:
    async def scenario(server: WholeServer) -> None:
        kept = logging.LogRecord("strongroom.core", logging.DEBUG, "", 0, "detail", None, None)
        lines = await stream(server, log_level="debug")
        log.debug("detail")
        assert "detail" in await line(lines)
        assert not log_levels.wanted(kept)
        ok(await server.write("sys/loggers/core", level="debug"))
        assert log_levels.wanted(kept)
        ok(await server.write("sys/loggers/core", level="error"))
        assert log_levels.level("core") == "error"
        await lines.aclose()  # type: ignore[attr-defined]
        assert log.level == logging.ERROR
        assert not log.isEnabledFor(logging.DEBUG)

    served(scenario)
    log.setLevel(logging.NOTSET)


def test_it_ends_when_the_token_does() -> None:
    async def scenario(server: WholeServer) -> None:
        await server.policy("watch", 'path "sys/monitor" { capabilities = ["read"] }')
        token = await server.token(policies=["watch"])
        lines = await stream(server, token)
        ok(await server.write("auth/token/revoke", token=token))
        assert await rest(lines) == ""

    served(scenario)


def test_it_ends_when_the_server_is_sealed() -> None:
    async def scenario(server: WholeServer) -> None:
        lines = await stream(server)
        await server.restart()
        await rest(lines)

    served(scenario)


def test_it_ends_after_the_last_line_when_the_server_stops() -> None:
    async def scenario(server: WholeServer) -> None:
        lines = await stream(server)
        log.warning("the last")
        log_stream.end_all()
        assert (await rest(lines)).endswith("the last\n")

    served(scenario)


def test_a_slow_reader_loses_lines_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_stream, "MOST_LINES", 2)

    async def scenario(server: WholeServer) -> None:
        lines = await stream(server)
        for number in range(2):
            log.warning("%d", number)
        await asyncio.sleep(0)
        log.warning("gone")
        assert "1 lines were dropped" in await line(lines)
        assert "1\n" in await line(lines)

    served(scenario)


def test_only_so_many_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_stream, "MOST_WATCHERS", 1)

    async def scenario(server: WholeServer) -> None:
        lines = await stream(server)
        assert refused(await server.read("sys/monitor"))[0] == "TooManyRequests"
        await lines.aclose()  # type: ignore[attr-defined]
        await stream(server)

    served(scenario)


@pytest.mark.parametrize(("name", "value"), [("log_level", "loud"), ("log_format", "xml")])
def test_what_it_cannot_show_is_refused_by_name(name: str, value: str) -> None:
    async def scenario(server: WholeServer) -> None:
        kind, *texts = refused(await server.read("sys/monitor", **{name: value}))
        assert kind == "BadRequest"
        assert name in str(texts)

    served(scenario)
