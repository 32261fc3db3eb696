"""The broker: every device gets every line; one that writes is enough, none is not."""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import os
from collections.abc import Callable
from typing import Any

import pytest

from strongroom.api.messages import Operation, Request, Response
from strongroom.audit.broker import REPORT_EVERY, Broker
from strongroom.audit.device import Device, MissingDevice
from strongroom.audit.entry import Exchange
from strongroom.clock import ManualClock
from strongroom.errors import InternalError


class Memory(Device):
    """Keeps its lines."""

    type = "memory"
    target = "memory"

    def __init__(self, path: str, error: Exception | None = None) -> None:
        super().__init__(path, path, {})
        self.lines: list[Any] = []
        self.error = error
        self.before: Callable[[], None] = lambda: None

    async def open(self) -> None:
        pass

    async def write(self, line: bytes) -> None:
        self.before()
        if self.error is not None:
            raise self.error
        self.lines.append(json.loads(line))


class Unprintable:
    def __str__(self) -> str:
        raise ValueError("s3cr3t")


def exchange(**more: Any) -> Exchange:
    return Exchange(Request(id="r", operation=Operation.READ, path="kv/app", token="t", **more), response=Response())


def broker(*devices: Device, clock: ManualClock | None = None) -> Broker:
    made = Broker(clock or ManualClock())
    for device in devices:
        made.add(device)
    return made


def full() -> OSError:
    return OSError(28, "No space left on device")


def test_without_devices_nothing_is_in_the_way() -> None:
    made = broker()
    asyncio.run(made.request(exchange()))
    asyncio.run(made.response(exchange()))


def test_every_device_gets_both_lines_hashed_by_its_own_salt() -> None:
    one, two = Memory("one/"), Memory("two/")
    made, asked = broker(one, two), exchange()
    asyncio.run(made.request(asked))
    asyncio.run(made.response(asked))
    for device in (one, two):
        assert [line["type"] for line in device.lines] == ["request", "response"]
        assert {line["request"]["client_token"] for line in device.lines} == {device.salt("t")}
    assert one.salt("t") != two.salt("t")


@pytest.mark.parametrize("which", ["request", "response"])
def test_one_device_that_writes_is_enough(which: str) -> None:
    bad, good = Memory("bad/", full()), Memory("good/")
    asyncio.run(getattr(broker(bad, good), which)(exchange()))
    assert len(good.lines) == 1


@pytest.mark.parametrize("which", ["request", "response"])
@pytest.mark.parametrize("error", [full(), OSError(0, "told"), RuntimeError("s3cr3t")])
def test_a_request_that_no_device_records_is_refused(
    which: str, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(InternalError) as caught:
        asyncio.run(getattr(broker(Memory("a/", error), Memory("b/", error)), which)(exchange()))
    assert caught.value.errors == ["internal error"]
    assert "s3cr3t" not in caplog.text


def test_an_entry_that_cannot_be_made_is_refused_without_being_quoted(caplog: pytest.LogCaptureFixture) -> None:
    device = Memory("a/")
    with pytest.raises(InternalError):
        asyncio.run(broker(device).request(exchange(data={"x": Unprintable()})))
    assert device.lines == []
    assert "a/ cannot write" in caplog.text
    assert "s3cr3t" not in caplog.text


def test_a_device_that_was_disabled_meanwhile_owes_nothing() -> None:
    device = Memory("a/", full())
    made = broker(device)
    device.before = lambda: made.remove("a/") and None
    asyncio.run(made.request(exchange()))


def test_removing_gives_the_device_back() -> None:
    one, two = Memory("one/"), Memory("two/")
    made = broker(one, two)
    assert made.remove("absent/") is None
    assert made.remove("one/") is one
    assert made.devices == (two,)


def test_a_failing_device_is_reported_now_and_then_and_when_it_recovers(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    clock = ManualClock()
    bad = Memory("bad/", full())
    made = broker(bad, Memory("good/"), clock=clock)

    async def fail(times: int) -> None:
        for _ in range(times):
            await made.request(exchange())

    asyncio.run(fail(3))
    assert [r.getMessage() for r in caplog.records] == [
        "audit device bad/ cannot write (1 lines lost so far): no space left on device"
    ]
    clock.advance(REPORT_EVERY)
    asyncio.run(fail(3))
    assert len(caplog.records) == 2
    assert "4 lines lost" in caplog.messages[1]
    bad.error = None
    asyncio.run(fail(2))
    assert caplog.messages[2:] == ["audit device bad/ writes again; it has lost 6 lines"]


def test_times_have_nine_digits_and_follow_the_clock() -> None:
    clock, device = ManualClock(1_736_245_800), Memory("a/")
    made = broker(device, clock=clock)
    asyncio.run(made.request(exchange()))
    clock.advance(0.5)
    asyncio.run(made.request(exchange()))
    clock.advance(60)
    asyncio.run(made.request(exchange()))
    assert [line["time"] for line in device.lines] == [
        "2025-01-07T10:30:00.000000000Z",
        "2025-01-07T10:30:00.500000000Z",
        "2025-01-07T10:31:00.500000000Z",
    ]


def test_the_lines_of_a_turn_are_written_together(tmp_path: Any) -> None:
    from strongroom.audit.file import FileDevice

    writes: list[list[bytes]] = []

    class Counted(FileDevice):
        def _append(self, lines: list[bytes]) -> None:
            writes.append(lines)
            super()._append(lines)

    async def scenario() -> None:
        device = Counted("file/", "salt", {"file_path": str(tmp_path / "a.log")})
        await device.open()
        made = broker(device)
        await asyncio.gather(*(made.request(exchange()) for _ in range(5)))
        await device.close()

    asyncio.run(scenario())
    assert [len(each) for each in writes] == [5]
    assert (tmp_path / "a.log").read_bytes() == b"".join(writes[0])


def test_all_of_a_turn_learn_that_their_lines_are_lost(tmp_path: Any) -> None:
    from strongroom.audit.file import FileDevice

    class Full(FileDevice):
        def _append(self, line: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    async def scenario() -> list[Any]:
        device = Full("file/", "salt", {"file_path": str(tmp_path / "a.log")})
        await device.open()
        made = broker(device)
        results = await asyncio.gather(*(made.request(exchange()) for _ in range(3)), return_exceptions=True)
        await device.close()
        return results

    assert [type(result) for result in asyncio.run(scenario())] == [InternalError] * 3


def test_a_device_that_is_not_there_records_nothing() -> None:
    missing = MissingDevice("gone/", "salt", 'unknown backend type: "gone"')
    assert missing.target == 'unknown backend type: "gone"'
    for attempt in (missing.open(), missing.write(b"x\n")):
        with pytest.raises(OSError, match="unknown backend type"):
            asyncio.run(attempt)
    with pytest.raises(InternalError):
        asyncio.run(broker(missing).request(exchange()))


class Joining(Memory):
    """Takes several lines as one."""

    joins = True

    async def write(self, line: bytes) -> None:
        if self.error is not None:
            raise self.error
        self.lines.append([json.loads(each)["type"] for each in line.splitlines()])


def test_a_request_that_is_held_is_written_before_its_answer_and_with_it() -> None:
    async def scenario() -> None:
        one, two = Memory("one/"), Joining("two/")
        made = broker(one, two)
        asked = exchange()
        made.hold(asked)
        assert not one.lines
        assert not two.lines
        await made.response(asked)
        assert [line["type"] for line in one.lines] == ["request", "response"]
        assert two.lines == [["request", "response"]]

    asyncio.run(scenario())


def test_a_held_request_has_the_time_it_was_made_at() -> None:
    async def scenario() -> None:
        clock, device = ManualClock(), Memory("one/")
        made = broker(device, clock=clock)
        asked = exchange()
        made.hold(asked)
        clock.advance(2)
        await made.response(asked)
        first, second = (line["time"] for line in device.lines)
        assert first < second

    asyncio.run(scenario())


def test_the_answer_to_a_held_request_that_nobody_could_record_is_refused() -> None:
    async def scenario() -> None:
        made = broker(Joining("one/", full()), Memory("two/", full()))
        asked = exchange()
        made.hold(asked)
        with pytest.raises(InternalError):
            await made.response(asked)

    asyncio.run(scenario())
