"""Renewing tokens: whose terms count, and that no arithmetic gets beyond a limit."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.core.fake_live import HOUR, FakeLive, played

from strongroom.api.messages import Auth
from strongroom.core.lease_ttl import Terms, grant
from strongroom.core.token_model import TokenEntry
from strongroom.core.token_roles import ROLE, RoleEntry
from strongroom.errors import BadRequest, InternalError

NANO = 1_000_000_000
NOW = 1_700_000_000 * NANO

limits = st.one_of(st.just(0), st.integers(1, 10**7))


@given(
    st.builds(Terms, st.integers(1, 10**7), st.integers(1, 10**7), limits, limits, limits, limits, limits),
    st.integers(0, 10**16),
)
def test_no_grant_goes_beyond_a_limit(terms: Terms, elapsed_ns: int) -> None:
    now = NOW + elapsed_ns
    cap = min(n for n in (terms.mount_max, terms.max_ttl, terms.explicit_max_ttl) if n)
    try:
        granted = grant(terms, NOW, now)
    except BadRequest:
        limit = terms.explicit_max_ttl if terms.period else cap
        assert now >= NOW + limit * NANO
        return
    assert granted.ttl > 0
    assert now < granted.expire_ns <= now + granted.ttl * NANO
    if terms.explicit_max_ttl:
        assert granted.expire_ns <= NOW + terms.explicit_max_ttl * NANO
    if terms.period:
        assert granted.expire_ns <= now + min(terms.period, cap) * NANO
    else:
        assert granted.expire_ns <= NOW + cap * NANO


@pytest.mark.parametrize(
    ("terms", "elapsed", "ttl", "warning"),
    [
        (Terms(100, 1000), 0, 100, ""),
        (Terms(100, 1000, asked=50), 0, 50, ""),
        (Terms(100, 1000, asked=50), 999.2, 1, 'TTL of "50s" exceeded the effective max_ttl of "1s"'),
        (Terms(100, 7200, asked=36000), 0.2, 7200, 'TTL of "10h" exceeded the effective max_ttl of "2h"'),
        (Terms(100, 7200, asked=36000), 1.2, 7199, 'TTL of "10h" exceeded the effective max_ttl of "1h59m59s"'),
        (Terms(100, 1000, period=60), 5000, 60, ""),
        (Terms(100, 50, period=60), 5000, 50, 'period of "1m" exceeded the effective max_ttl of "50s"'),
        (Terms(9, 99, period=4, explicit_max_ttl=6), 3, 3, 'TTL of "4s" exceeded the effective max_ttl of "3s"'),
    ],
)
def test_grants(terms: Terms, elapsed: float, ttl: int, warning: str) -> None:
    granted = grant(terms, NOW, NOW + int(elapsed * NANO))
    assert granted.ttl == ttl
    assert [w.partition(";")[0] for w in granted.warnings] == ([warning] if warning else [])


async def renewed(live: FakeLive, entry: TokenEntry, increment: int = 0) -> Auth:
    return (await live.tokens.renew(entry, increment))[0]


def test_the_increment_counts_from_now_and_nothing_means_the_last_grant() -> None:
    async def scenario(live: FakeLive) -> None:
        token, entry = await live.token(ttl=HOUR)
        live.clock.advance(600)
        for increment, granted in [(0, HOUR), (2 * HOUR, 2 * HOUR), (60, 60), (0, 60)]:
            auth = await renewed(live, entry, increment)
            assert auth.lease_duration == granted
            now = await live.tokens.lookup(token)
            assert now is not None
            assert now.expire_ns == live.clock.now_ns() + granted * NANO
            assert (now.ttl, now.last_renewal_ns) == (HOUR, live.clock.now_ns())

    played(scenario)


def test_a_renewed_token_outlives_its_first_end_in_the_index_too() -> None:
    async def scenario(live: FakeLive) -> None:
        token, entry = await live.token(ttl=10)
        await renewed(live, entry, 30)
        live.clock.advance(29)
        await live.leases.run_due()
        assert await live.tokens.lookup(token) is not None
        live.clock.advance(1)
        await live.leases.run_due()
        assert await live.keys("sys/token/id/" + entry.key) == []

    played(scenario)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4000), st.integers(0, 20000)), max_size=8), limits, limits)
def test_however_it_is_renewed_a_token_ends_in_time(steps: list[tuple[int, int]], explicit: int, period: int) -> None:
    async def scenario(live: FakeLive) -> None:
        live.table["auth/token/"].info.max_lease_ttl = 9000
        asked: dict[str, Any] = {"explicit_max_ttl": explicit, "period": period}
        token, entry = await live.token(**asked)
        for wait, increment in steps:
            live.clock.advance(wait)
            current = await live.tokens.lookup(token)
            if current is None:
                break
            try:
                await renewed(live, current, increment)
            except BadRequest:
                break
        last = await live.tokens.store.get(entry.key)
        assert last is not None
        if explicit:
            assert last.expire_ns <= entry.creation_ns + explicit * NANO
        if not period:
            assert last.expire_ns <= entry.creation_ns + 9000 * NANO

    played(scenario)


@pytest.mark.parametrize(
    ("asked", "text"),
    [
        ({"renewable": False, "ttl": 9}, "lease is not renewable"),
        ({"policies": ["root"]}, "lease is not renewable"),
        ({"type": "batch", "ttl": 9}, "batch tokens cannot be renewed"),
    ],
)
def test_what_cannot_be_renewed(asked: dict[str, Any], text: str) -> None:
    async def scenario(live: FakeLive) -> None:
        _, entry = await live.token(**asked)
        with pytest.raises(BadRequest) as refused:
            await renewed(live, entry)
        assert str(refused.value) == text

    played(scenario)


@pytest.mark.parametrize("end", ["expired", "revoked"])
def test_a_token_that_has_ended_is_not_revived(end: str) -> None:
    async def scenario(live: FakeLive) -> None:
        _, entry = await live.token(ttl=10)
        if end == "expired":
            live.clock.advance(10)
        else:
            await live.tokens.revoke_tree(entry.key)
        with pytest.raises(BadRequest, match="token not found"):
            await renewed(live, entry)

    played(scenario)


def test_the_role_of_now_counts_and_without_it_nothing_is_renewed() -> None:
    async def scenario(live: FakeLive) -> None:
        _, entry = await live.token(ttl=HOUR)
        entry = await live.tokens.store.update(entry.key, lambda e: type(e)(**{**fields(e), "role": "r"}))  # type: ignore[assignment]

        async def role(**what: int) -> None:
            tx = live.transaction()
            tx.store(ROLE + "r", RoleEntry("r", **what))  # type: ignore[arg-type]
            await tx.commit()

        await role(token_period=1800)
        assert (await renewed(live, entry, 60)).lease_duration == 1800
        await role(token_explicit_max_ttl=1200)
        assert (await renewed(live, entry, HOUR)).lease_duration == 1200
        tx = live.transaction()
        tx.delete(ROLE + "r")
        await tx.commit()
        with pytest.raises(InternalError, match='original token role "r" could not be found, not renewing'):
            await renewed(live, entry)

    played(scenario)


def test_a_logins_method_is_asked_and_may_refuse() -> None:
    async def scenario(live: FakeLive) -> None:
        mount = live.mount("auth/userpass/")
        asked: list[Any] = []
        answer: Auth | Exception = Auth(ttl=120, max_ttl=300)

        @mount.engine.renew("token")
        async def renew(ctx: Any, internal: dict[str, Any]) -> Auth:
            asked.append((ctx.request.data["increment"], internal))
            if isinstance(answer, Exception):
                raise answer
            return answer

        auth = Auth(policies=["x"], ttl=HOUR, renewable=True, internal={"user": "ann"})
        tx = live.transaction()
        await live.tokens.register_login(tx, auth, mount, "auth/userpass/login/ann")  # type: ignore[arg-type]
        await tx.commit()
        entry = await live.tokens.lookup(auth.client_token)
        assert entry is not None
        assert (await renewed(live, entry)).lease_duration == 120
        assert (await renewed(live, entry, 900)).lease_duration == 300
        assert asked == [(0, {"user": "ann"}), (900, {"user": "ann"})]
        answer = BadRequest("user is gone")
        with pytest.raises(BadRequest, match="user is gone"):
            await renewed(live, entry)

    played(scenario)


def fields(entry: TokenEntry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in entry.__struct_fields__}
