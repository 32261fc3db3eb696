from __future__ import annotations

import msgspec
import pytest
from tests.support.seal_server import FakeCore, run

from strongroom.core import rotation
from strongroom.core.rotation import ROTATION_KEY, RotationConfig, check, due
from strongroom.storage.base import Batch

DAY = 24 * 3600.0


async def configured(core: FakeCore, config: RotationConfig) -> None:
    await core.barrier.commit(Batch({ROTATION_KEY: msgspec.json.encode(config)}))


@pytest.mark.parametrize(
    ("config", "days", "encryptions", "expected"),
    [
        (RotationConfig(), 10_000, 3_865_470_565, False),
        (RotationConfig(), 0, 3_865_470_566, True),
        (RotationConfig(interval=172_800), 1, 0, False),
        (RotationConfig(interval=172_800), 2, 0, True),
        (RotationConfig(max_operations=1_000_000), 0, 999_999, False),
        (RotationConfig(max_operations=1_000_000), 0, 1_000_000, True),
        (RotationConfig(max_operations=1_000_000, interval=172_800, enabled=False), 3, 2_000_000, False),
        (RotationConfig(enabled=False), 0, 3_865_470_566, True),
    ],
)
def test_when_a_rotation_is_due(config: RotationConfig, days: float, encryptions: int, expected: bool) -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        await configured(core, config)
        core.clock.advance(days * DAY)
        assert core.barrier._open is not None
        core.barrier._open.keyring.active.encryptions = encryptions
        assert await due(core.barrier) is expected
        assert await check(core.barrier) is expected
        assert core.barrier.key_status().term == 1 + expected

    run(test)


def test_without_a_configuration_the_defaults_hold() -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        core.clock.advance(10_000 * DAY)
        assert not await due(core.barrier)

    run(test)


def test_the_count_of_encryptions_is_kept_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "SAVE_EVERY", 3)

    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        before = core.barrier.unsaved_encryptions
        await core.barrier.commit(Batch({"a": b"1", "b": b"2", "c": b"3"}))
        assert core.barrier.unsaved_encryptions == before + 3
        assert not await check(core.barrier)
        assert core.barrier.unsaved_encryptions == 0

    run(test)
