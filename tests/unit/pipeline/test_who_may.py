"""Who asks and what they may: nothing of what there is shows to those who may not know."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from tests.unit.pipeline.probe import DELETE, HELP, LIST, READ, UPDATE, Probe, data, ok, played, refused

from strongroom.api.messages import Operation
from strongroom.core.policies import PREFIX, StoredPolicy
from strongroom.errors import BadToken, PermissionDenied

DENIED = ("PermissionDenied", "1 error occurred:\n\t* permission denied\n\n")
NOBODY = ("BadToken", "permission denied")

#: Requests of every sort: existing and missing mounts, routes, names and methods, good and bad parameters.
REQUESTS: list[tuple[Operation, str, dict[str, Any]]] = [
    (READ, "probe/get/there", {}),
    (READ, "probe/get/missing", {}),
    (UPDATE, "probe/put/there", {"value": "x"}),
    (UPDATE, "probe/put/missing", {"value": "x"}),
    (UPDATE, "probe/put/there", {}),
    (UPDATE, "probe/put/there", {"value": ["wrong"]}),
    (UPDATE, "probe/get/there", {}),
    (DELETE, "probe/put/there", {}),
    (READ, "probe/nowhere", {}),
    (LIST, "probe/", {}),
    (READ, "probe/raised", {}),
    (READ, "probe/rooted", {}),
    (READ, "nowhere/at/all", {}),
    (READ, "nowhere", {}),
    (UPDATE, "secret/data/x", {"data": {}}),
    (READ, "sys/mounts", {}),
    (READ, "sys/nothing/like/it", {}),
    (UPDATE, "auth/token/create", {}),
    (HELP, "probe/get/there", {}),
    (HELP, "nowhere/at/all", {}),
    (Operation.HEADER, "probe/get/there", {}),
    (Operation.PATCH, "probe/put/there", {"value": "x"}),
]


def test_a_denial_is_the_same_whatever_is_there() -> None:
    async def scenario(server: Probe) -> None:
        ok(await server.write("probe/put/there", value="x"))
        server.asked.clear()
        token = await server.granted("elsewhere", other_place="read")
        for operation, path, body in REQUESTS:
            assert refused(await server.ask(operation, path, by=token, **body)) == DENIED, (operation, path, body)
        assert server.asked == []
        assert server.idle()

    played(scenario)


@pytest.mark.parametrize("token", ["", "hvs.unknown", "hvb.unknown", "x" * 100_000, "\u00e9\ud800"])
def test_without_a_good_token_every_answer_is_the_same(token: str) -> None:
    async def scenario(server: Probe) -> None:
        ok(await server.write("probe/put/there", value="x"))
        server.asked.clear()
        for operation, path, body in REQUESTS:
            assert refused(await server.ask(operation, path, by=token, **body)) == NOBODY, (operation, path, body)
        assert server.asked == []

    played(scenario)


def test_to_those_who_may_know_what_is_missing_is_said() -> None:
    async def scenario(server: Probe) -> None:
        for operation, path, name in (
            (READ, "nowhere/at/all", "NoRoute"),
            (READ, "probe/nowhere", "UnsupportedPath"),
            (UPDATE, "probe/get/x", "UnsupportedOperation"),
            (Operation.HEADER, "probe/get/x", "UnsupportedOperation"),
            (UPDATE, "probe/put/x", "BadRequest"),
            (HELP, "nowhere/at/all", "NoRoute"),
        ):
            assert refused(await server.ask(operation, path))[0] == name

    played(scenario)


def test_an_expired_or_revoked_token_is_nobody() -> None:
    async def scenario(server: Probe) -> None:
        token, other = await server.token(ttl="1m", policies=["root"]), await server.token(policies=["root"])
        ok(await server.read("probe/get/x", by=token))
        server.clock.advance(61)
        assert refused(await server.read("probe/get/x", by=token)) == NOBODY
        ok(await server.write("auth/token/revoke", token=other))
        assert refused(await server.read("probe/get/x", by=other)) == NOBODY

    played(scenario)


def test_an_endpoint_that_needs_no_token_takes_a_bad_one_for_none() -> None:
    async def scenario(server: Probe) -> None:
        nobody = {"accessor": "", "policies": [], "root": False}
        for token in ("", "hvs.unknown"):
            assert data(await server.read("probe/open", by=token)) == nobody
        assert data(await server.read("probe/open", by="root"))["root"] is True

    played(scenario)


def test_an_endpoint_that_needs_no_token_spends_no_use() -> None:
    async def scenario(server: Probe) -> None:
        token = await server.token(policies=["root"], num_uses=1)
        for _ in range(3):
            assert data(await server.read("probe/open", by=token))["root"] is True
        ok(await server.read("probe/get/x", by=token))
        assert refused(await server.read("probe/get/x", by=token)) == NOBODY

    played(scenario)


def test_a_limited_token_is_good_for_its_uses_and_no_more() -> None:
    async def scenario(server: Probe) -> None:
        before = await server.tokens()
        token = await server.token(policies=["root"], num_uses=3)
        answers = await asyncio.gather(*(server.read("probe/get/x", by=token) for _ in range(12)))
        assert sorted(isinstance(answer, BadToken) for answer in answers) == [False] * 3 + [True] * 9
        assert len(server.asked) == 3
        assert await server.live.tokens.lookup(token) is None
        assert await server.tokens() == before

    played(scenario)


def test_a_denied_request_costs_a_use_too() -> None:
    async def scenario(server: Probe) -> None:
        await server.policy("some", 'path "probe/get/a" { capabilities = ["read"] }')
        token = await server.token(policies=["some"], no_default_policy=True, num_uses=2)
        assert refused(await server.read("probe/get/b", by=token)) == DENIED
        ok(await server.read("probe/get/a", by=token))
        assert refused(await server.read("probe/get/a", by=token)) == NOBODY

    played(scenario)


def test_a_use_that_cannot_be_counted_pays_for_nothing() -> None:
    async def scenario(server: Probe) -> None:
        token = await server.token(policies=["root"], num_uses=1)
        server.storage.refuse = True
        assert refused(await server.read("probe/get/x", by=token))[0] == "InternalError"
        assert server.asked == []
        server.storage.refuse = False
        ok(await server.read("probe/get/x", by=token))
        assert server.idle()

    played(scenario)


def test_the_answer_to_a_last_use_does_not_depend_on_the_revocation(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: Probe) -> None:
        token = await server.token(policies=["root"], num_uses=1)

        async def fail(_: Any) -> None:
            raise RuntimeError("hunter2")

        server.live.tokens.after_last_use = fail  # type: ignore[method-assign]
        with caplog.at_level(logging.WARNING):
            ok(await server.read("probe/get/x", by=token))
        assert "could not be revoked yet: RuntimeError" in caplog.text
        assert "hunter2" not in caplog.text
        assert refused(await server.read("probe/get/x", by=token)) == NOBODY

    played(scenario)


@pytest.mark.parametrize(
    ("path", "capabilities", "allowed"),
    [
        ("probe_raised", "read", False),
        ("probe_raised", "sudo", False),
        ("probe_raised", "read,sudo", True),
        ("probe_rooted", "read,sudo", False),
    ],
)
def test_sudo_and_root_are_asked_for_beside_the_capability(path: str, capabilities: str, allowed: bool) -> None:
    async def scenario(server: Probe) -> None:
        token = await server.granted("some", **{path: capabilities})
        answer = await server.read(path.replace("_", "/"), by=token)
        if allowed:
            assert data(answer) == {"sudo": True}
        else:
            assert refused(answer) == DENIED
        ok(await server.read("probe/rooted"))

    played(scenario)


# -- Create or update --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("capabilities", "new", "old"),
    [("create", True, False), ("update", False, True), ("create,update", True, True), ("read", False, False)],
)
def test_writing_what_is_not_there_needs_create_else_update(capabilities: str, new: bool, old: bool) -> None:
    async def scenario(server: Probe) -> None:
        ok(await server.write("probe/put/old", value="x"))
        token = await server.granted("some", **{"probe_put_*": capabilities})
        server.asked.clear()
        for name, allowed in (("new", new), ("old", old)):
            answer = await server.write(f"probe/put/{name}", by=token, value="y", fail="tell")
            if allowed:
                assert data(answer) == {"operation": "create" if name == "new" else "update"}
            else:
                assert refused(answer) == DENIED
        if not new and not old:
            assert server.asked == []  # who is refused anyway makes nobody look

    played(scenario)


def test_who_may_only_create_cannot_overwrite_what_another_creates_meanwhile() -> None:
    async def scenario(server: Probe) -> None:
        token = await server.granted("some", **{"probe_put_*": "create"})
        answers = await asyncio.gather(
            *(server.write("probe/put/a", by=token, value=str(number)) for number in range(5))
        )
        assert [isinstance(answer, PermissionDenied) for answer in answers].count(False) == 1
        winner = next(n for n, answer in enumerate(answers) if not isinstance(answer, PermissionDenied))
        assert await server.stored("a") == str(winner).encode()
        assert server.idle()

    played(scenario)


@pytest.mark.parametrize(
    ("capabilities", "name"), [("create", "BadRequest"), ("update", "BadRequest"), ("read", "PermissionDenied")]
)
def test_bad_parameters_are_named_to_those_who_may_write_at_all(capabilities: str, name: str) -> None:
    async def scenario(server: Probe) -> None:
        token = await server.granted("some", **{"probe_put_*": capabilities})
        assert refused(await server.write("probe/put/a", by=token))[0] == name
        assert refused(await server.write("probe/put/a", by=token, value=[]))[0] == name

    played(scenario)


@pytest.mark.parametrize(
    ("rule", "body", "allowed"),
    [
        ('denied_parameters = { "fail" = [] }', {"value": "x"}, True),
        ('denied_parameters = { "fail" = [] }', {"value": "x", "fail": ""}, False),
        ('denied_parameters = { "fail" = [] }', {"value": "x", "FAIL": ""}, False),
        ('allowed_parameters = { "value" = ["x"] }', {"value": "x"}, True),
        ('allowed_parameters = { "value" = ["x"] }', {"value": "y"}, False),
        ('required_parameters = ["fail"]', {"value": "x"}, False),
        ('min_wrapping_ttl = "1m"', {"value": "x"}, False),
    ],
)
def test_rules_look_at_the_body(rule: str, body: dict[str, Any], allowed: bool) -> None:
    async def scenario(server: Probe) -> None:
        await server.policy("some", f'path "probe/put/*" {{ capabilities = ["create"] {rule} }}')
        token = await server.token(policies=["some"], no_default_policy=True)
        answer = await server.write("probe/put/a", by=token, **body)
        assert (refused(answer) == DENIED) if not allowed else ok(answer)
        assert (await server.stored("a") is not None) is allowed

    played(scenario)


# -- Help, status, damage ----------------------------------------------------------------------------------------------


def test_help_is_for_those_who_may_do_anything_at_a_mount() -> None:
    async def scenario(server: Probe) -> None:
        token = await server.granted("some", probe_get_a="read")
        for path, words in (
            ("probe/put/x", "Write a thing."),
            ("probe", "The engine of the tests."),
            ("probe/zz", "tests"),
        ):
            bare: Any = ok(await server.ask(HELP, path, by=token)).bare
            assert words in bare["help"]
        assert refused(await server.ask(HELP, "secret/x", by=token)) == DENIED
        assert server.asked == []

    played(scenario)


@pytest.mark.parametrize("token", ["", "root", "hvs.unknown"])
def test_a_status_endpoint_refuses_other_methods_before_all_else(token: str) -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        for path in ("probe/terse", "sys/seal-status", "sys/health"):
            assert refused(await server.write(path, by=token)) == ("UnsupportedOperation", "")
        assert device.lines == []

    played(scenario)


def test_a_stored_policy_that_no_longer_parses_refuses_and_is_named_in_the_record() -> None:
    async def scenario(server: Probe) -> None:
        token = await server.granted("some", probe_get_a="read")
        tx = server.live.transaction()
        tx.store(PREFIX + "some", StoredPolicy("some", 'path "probe/get/a" {'))
        await tx.commit()
        device = server.record()
        assert refused(await server.read("probe/get/a", by=token)) == DENIED
        assert "does not parse" in device.of("response", "probe/get/a")[0]["reason"]
        assert data(await server.read("probe/open", by=token))["policies"] == ["some"]

    played(scenario)
