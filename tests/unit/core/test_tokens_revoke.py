"""Revoking tokens: trees of any shape, orphans, races with those who make children, crashes at every step."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from tests.unit.core.fake_live import HOUR, FailingStorage, FakeLive, played

from strongroom.core.token_model import ID, TokenEntry
from strongroom.core.token_tidy import tidy
from strongroom.errors import BadToken, StorageError


async def alive(live: FakeLive, *entries: TokenEntry) -> list[bool]:
    return [await live.tokens.by_key(entry.key) is not None for entry in entries]


def test_descendants_go_and_orphans_and_siblings_stay() -> None:
    async def scenario(live: FakeLive) -> None:
        root = await live.root()
        _, top = await live.token(root, policies=["root"])
        _, child = await live.token(top, policies=["root"])
        _, grandchild = await live.token(child)
        _, orphan = await live.token(child, orphan=True)
        _, sibling = await live.token(root)
        assert await live.tokens.revoke_tree(top.key)
        assert await alive(live, top, child, grandchild, orphan, sibling, root) == [False] * 3 + [True] * 3
        assert not await live.tokens.revoke_tree(top.key)

    played(scenario)


def test_a_long_chain_and_a_wide_family_leave_nothing() -> None:
    async def scenario(live: FakeLive) -> None:
        root = await live.root()
        before = await live.keys("")
        _, top = await live.token(root, policies=["root"])
        entry = top
        for _ in range(1500):
            _, entry = await live.token(entry, policies=["root"])
        await asyncio.gather(*(live.token(top, ttl=HOUR) for _ in range(600)))
        await live.tokens.revoke_tree(top.key)
        assert await live.keys("") == before

    played(scenario)


def test_revoking_alone_makes_orphans_of_the_children() -> None:
    async def scenario(live: FakeLive) -> None:
        root = await live.root()
        _, top = await live.token(root, policies=["root"])
        _, child = await live.token(top, policies=["root"])
        _, grandchild = await live.token(child)
        await live.tokens.revoke_orphan(top.key)
        now = await live.tokens.by_key(child.key)
        assert now is not None
        assert now.orphan
        await live.tokens.revoke_tree(root.key)
        assert await alive(live, top, child, grandchild) == [False, True, True]
        await live.tokens.revoke_tree(child.key)
        assert await alive(live, child, grandchild) == [False, False]

    played(scenario)


def test_a_parents_end_ends_its_children_and_their_batch_tokens() -> None:
    async def scenario(live: FakeLive) -> None:
        root = await live.root()
        _, top = await live.token(root, policies=["root"], ttl=10)
        _, child = await live.token(top, ttl=HOUR)
        batch, _ = await live.token(top, type="batch", ttl=HOUR)
        orphan, _ = await live.token(top, type="batch", ttl=HOUR, orphan=True)
        live.clock.advance(11)
        assert await live.tokens.lookup(batch) is None
        await live.leases.run_due()
        assert await alive(live, top, child) == [False, False]
        assert await live.tokens.lookup(orphan) is not None

    played(scenario)


def test_children_made_while_their_parent_is_revoked_do_not_survive() -> None:
    async def scenario(live: FakeLive) -> None:
        root = await live.root()
        for delay in range(12):
            _, top = await live.token(root, policies=["root"])

            async def make(steps: int, top: TokenEntry = top) -> TokenEntry | None:
                for _ in range(steps):
                    await asyncio.sleep(0)
                try:
                    return (await live.token(top))[1]
                except (BadToken, AssertionError):
                    return None

            makers = [asyncio.create_task(make(steps)) for steps in range(24)]
            for _ in range(delay):
                await asyncio.sleep(0)
            await live.tokens.revoke_tree(top.key)
            for made in await asyncio.gather(*makers):
                assert made is None or await live.tokens.by_key(made.key) is None
        assert await live.keys("sys/token/parent/" + root.key) == []

    played(scenario)


@pytest.mark.parametrize("how", ["tree", "orphan"])
def test_whatever_step_a_crash_comes_at_the_next_start_finishes_the_work(how: str) -> None:
    async def scenario(live: FakeLive) -> None:
        crashes, step = 0, 0
        while True:
            assert isinstance(live.storage, FailingStorage)
            root = await live.root()
            _, top = await live.token(root, policies=["root"])
            _, child = await live.token(top, policies=["root"])
            _, grandchild = await live.token(child)
            live.storage.commits_left = step
            try:
                await (live.tokens.revoke_tree if how == "tree" else live.tokens.revoke_orphan)(top.key)
            except StorageError:
                crashes += 1
                acknowledged = False
            else:
                acknowledged = True
            live = await live.restarted()
            begun = acknowledged or step > 0
            await live.leases.run_due()
            descendants = [not begun or how == "orphan"] * 2
            assert await alive(live, top, child, grandchild) == [not begun, *descendants]
            if begun:
                assert await live.keys(ID + top.key) == []
            if acknowledged:
                break
            step += 1
        assert crashes >= 2
        await live.stop()

    played(scenario)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 30), st.booleans()), min_size=1, max_size=30), st.integers(0, 30))
def test_exactly_the_descendants_of_a_revoked_token_end(family: list[tuple[int, bool]], victim: int) -> None:
    async def scenario(live: FakeLive) -> None:
        tokens = [await live.root()]
        parents: list[int | None] = [None]
        for parent, orphan in family:
            parent %= len(tokens)
            tokens.append((await live.token(tokens[parent], policies=["root"], orphan=orphan))[1])
            parents.append(None if orphan else parent)
        chosen = victim % len(tokens)

        def doomed(index: int | None) -> bool:
            return index is not None and (index == chosen or doomed(parents[index]))

        await live.tokens.revoke_tree(tokens[chosen].key)
        assert await alive(live, *tokens) == [not doomed(index) for index in range(len(tokens))]

    played(scenario)


def test_tidying_removes_what_points_nowhere_and_nothing_else() -> None:
    async def scenario(live: FakeLive) -> None:
        root = await live.root()
        _, child = await live.token(root, ttl=HOUR)
        before = await live.keys("")
        _, lost = await live.token(root)
        _, stray = await live.token(child, ttl=HOUR)
        # Damage that no code path of ours makes: indexes without their token, a token without its parent.
        tx = live.transaction()
        tx.delete(ID + lost.key)
        tx.put("sys/token/parent/nobody/nothing", b"")
        await tx.commit()
        await live.tokens.store.update(stray.key, lambda entry: replace(entry, parent="gone"))
        await tidy(live, live.tokens.store, live.tokens.revocation)  # type: ignore[arg-type]
        await live.leases.run_tidy()
        assert await alive(live, root, child, stray) == [True, True, False]
        live.clock.advance(1e8)
        await live.leases.run_due()
        assert set(await live.keys("")) <= set(before)

    played(scenario)


def test_one_tidying_at_a_time() -> None:
    async def scenario(live: FakeLive) -> None:
        assert [live.tokens.tidy() for _ in range(2)] == [True, False]
        assert [live.leases.tidy() for _ in range(2)] == [True, False]

    played(scenario)
