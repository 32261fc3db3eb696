"""What becomes of a request: all of it or nothing, always on record, nothing held afterwards."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest
from tests.unit.pipeline.probe import SECRET, UPDATE, Gate, Probe, data, ok, played, refused

from strongroom.api.messages import Operation, Request
from strongroom.clock import new_uuid
from strongroom.errors import InternalError, RequestError
from strongroom.pipeline import handle


def request(path: str, operation: Operation = UPDATE, **body: Any) -> Request:
    return Request(id=new_uuid(), operation=operation, path=path, data=body, token="root", remote_address="127.0.0.1")


async def turns(count: int = 20) -> None:
    """Let everybody else go as far as they can."""
    for _ in range(count):
        await asyncio.sleep(0)


# -- Failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fail", "name"), [("refusal", "BadRequest"), ("bug", "InternalError"), ("nested", "InternalError")]
)
def test_a_failed_request_writes_nothing_and_holds_nothing(fail: str, name: str) -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        assert refused(await server.write("probe/put/a", value="x", fail=fail))[0] == name
        assert await server.stored("a") is None
        assert server.idle()
        assert [line["type"] for line in device.lines] == ["request", "response"]
        ok(await server.write("probe/put/a", value="y"))
        assert await server.stored("a") == b"y"

    played(scenario)


def test_a_failure_of_ours_says_nothing_and_logs_where_but_not_what(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: Probe) -> None:
        with caplog.at_level(logging.ERROR):
            assert refused(await server.write("probe/put/a", value=SECRET, fail="bug")) == (
                "InternalError",
                "internal error",
            )
            assert refused(await server.write("probe/put/a", value=SECRET, fail="nested"))[1] == "internal error"
        for words in ("RuntimeError", "probe.py:", " put", "StorageError: the disk is gone", "from KeyError"):
            assert words in caplog.text
        assert SECRET not in caplog.text

    played(scenario)


def test_a_commit_that_fails_leaves_nothing() -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        server.storage.refuse = True
        assert refused(await server.write("probe/put/a", value="x"))[0] == "InternalError"
        server.storage.refuse = False
        assert await server.stored("a") is None
        assert data(await server.read("probe/get/a")) == {"value": ""}
        assert device.of("response", "probe/put/a")[0]["error"]
        assert server.idle()

    played(scenario)


def test_what_waits_for_the_commit_runs_after_it_in_order() -> None:
    async def scenario(server: Probe) -> None:
        ok(await server.write("own/after/a", value="x"))
        assert server.after == ["first", "second"]
        ok(await server.read("own/after"))
        assert server.after == ["first", "second", "alone"]
        server.storage.refuse = True
        assert refused(await server.write("own/after/a", value="y"))[0] == "InternalError"
        assert server.after == ["first", "second", "alone"]

    played(scenario)


def test_of_what_waits_for_the_commit_one_failure_does_not_stop_the_others() -> None:
    async def scenario(server: Probe) -> None:
        assert refused(await server.write("own/after/a", value="x", fail="yes")) == ("InternalError", "internal error")
        assert server.after == ["first", "second"]
        assert server.idle()

    played(scenario)


def test_what_is_written_to_a_mount_that_is_gone_is_refused() -> None:
    async def scenario(server: Probe) -> None:
        entry, prefix = server.mount.entry, server.mount.prefix
        server.gate = gate = Gate()
        writing = asyncio.create_task(handle(server.core, request("probe/put/a", value="x")))
        await gate.reached.wait()
        server.live.mounts.remove(entry)
        gate.open.set()
        with pytest.raises(RequestError, match="no handler for route"):
            await writing
        assert [key async for key, _ in server.storage.scan(prefix)] == []

    played(scenario)


# -- Leases ------------------------------------------------------------------------------------------------------------


def test_a_lease_stands_with_its_request_and_falls_with_it() -> None:
    async def scenario(server: Probe) -> None:
        lease = ok(await server.write("probe/lease/kept", value="x")).lease
        assert lease is not None
        assert refused(await server.write("probe/lease/lost", value="x", fail="yes"))[0] == "BadRequest"
        await server.live.leases.run_due()
        assert server.revoked == ["lost"]
        assert await server.live.leases.lookup(lease.id) is not None

    played(scenario)


def test_a_lease_whose_answer_cannot_be_recorded_is_given_up() -> None:
    async def scenario(server: Probe) -> None:
        server.record().refuse = ("response",)
        assert refused(await server.write("probe/lease/lost", value="x"))[0] == "InternalError"
        await server.live.leases.run_due()
        assert server.revoked == ["lost"]
        assert server.idle()

    played(scenario)


@pytest.mark.parametrize(
    ("path", "wrap_ttl"),
    [("probe/login/ann", 0), ("probe/login/ann", 60), ("auth/token/create", 0), ("auth/token/create", 60)],
)
def test_a_token_whose_answer_cannot_be_recorded_ends_and_what_waits_behind_it_too(path: str, wrap_ttl: int) -> None:
    async def scenario(server: Probe) -> None:
        before = await server.tokens()
        server.record().refuse = ("response",)
        assert refused(await server.write(path, wrap_ttl=wrap_ttl))[0] == "InternalError"
        assert await server.tokens() == before
        assert server.idle()

    played(scenario)


def test_a_token_that_is_only_renewed_outlives_a_failing_record() -> None:
    async def scenario(server: Probe) -> None:
        token = await server.token(ttl=3600)
        device = server.record()
        device.refuse = ("response",)
        assert refused(await server.write("auth/token/renew-self", by=token))[0] == "InternalError"
        device.refuse = ()
        ok(await server.read("auth/token/lookup-self", by=token))

    played(scenario)


def test_a_token_is_revoked_when_the_client_leaves_while_the_answer_is_recorded() -> None:
    async def scenario(server: Probe) -> None:
        before = await server.tokens()
        device = server.record()
        device.gate = Gate()
        asked = asyncio.create_task(handle(server.core, request("auth/token/create", policies=["default"])))
        await device.gate.reached.wait()
        assert len(await server.tokens()) == len(before) + 1
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert await server.tokens() == before
        assert server.idle()

    played(scenario)


# -- Cancellation ------------------------------------------------------------------------------------------------------


def test_a_request_that_is_broken_off_in_its_handler_leaves_nothing_but_its_record() -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        for path in ("probe/put/a", "probe/lease/a"):
            server.gate = gate = Gate()
            task = asyncio.create_task(handle(server.core, request(path, value="x")))
            await gate.reached.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            assert server.idle()
            (line,) = device.of("response", path)
            assert line["error"]
        assert await server.stored("a") is None
        await server.live.leases.run_due()
        assert server.revoked == ["a"]

    played(scenario)


def test_a_commit_under_way_is_not_broken_off_and_its_locks_are_held_to_the_end() -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        server.storage.gate = gate = Gate()
        task = asyncio.create_task(handle(server.core, request("probe/put/a", value="first")))
        await gate.reached.wait()
        for _ in range(2):
            task.cancel()
            await turns()
        second = asyncio.create_task(handle(server.core, request("probe/put/a", value="second")))
        await turns()
        assert not task.done()
        assert not second.done()
        assert server.asked[-1] == "exists a"  # the second waits for the lock
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        await second
        assert await server.stored("a") == b"second"
        assert len(device.of("response", "probe/put/a")) == 2
        assert server.idle()

    played(scenario)


def test_what_waits_for_a_commit_runs_even_if_the_request_is_broken_off_meanwhile() -> None:
    async def scenario(server: Probe) -> None:
        server.storage.gate = gate = Gate()
        task = asyncio.create_task(handle(server.core, request("own/after/a", value="x")))
        await gate.reached.wait()
        task.cancel()
        await turns()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.after == ["first", "second"]

    played(scenario)


def test_a_mount_that_is_made_by_a_broken_off_request_is_in_use_and_not_only_stored() -> None:
    async def scenario(server: Probe) -> None:
        server.storage.gate = gate = Gate()
        task = asyncio.create_task(handle(server.core, request("sys/mounts/kv", type="kv")))
        await gate.reached.wait()
        task.cancel()
        await turns()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.live.mounts.by_path("kv/") is not None
        assert "already in use" in refused(await server.write("sys/mounts/kv", type="kv"))[1]

    played(scenario)


def test_an_unmounting_that_is_broken_off_is_done_or_undone_but_never_half() -> None:
    async def scenario(server: Probe) -> None:
        ok(await server.write("probe/put/a", value="x"))
        server.storage.gate = gate = Gate()
        task = asyncio.create_task(handle(server.core, request("sys/mounts/probe", Operation.DELETE)))
        await gate.reached.wait()
        task.cancel()
        await turns()
        gate.open.set()
        with pytest.raises(asyncio.CancelledError):
            await task
        stored = [key async for key, _ in server.storage.scan("core/mount/")]
        assert (server.live.mounts.by_path("probe/") is None) is (len(stored) == 5)
        assert server.idle()

    played(scenario)


def test_an_unmounting_waits_for_requests_inside_and_lets_no_new_ones_in() -> None:
    async def scenario(server: Probe) -> None:
        prefix = server.mount.prefix
        server.gate = gate = Gate()
        inside = asyncio.create_task(handle(server.core, request("probe/put/a", value="x")))
        await gate.reached.wait()
        unmounting = asyncio.create_task(server.delete("sys/mounts/probe"))
        await turns()
        assert refused(await server.read("probe/get/a"))[0] == "NoRoute"
        assert not unmounting.done()
        gate.open.set()
        await inside
        ok(await unmounting)
        await server.live.mounts.purge()
        assert [key async for key, _ in server.storage.scan(prefix)] == []
        assert server.idle()

    played(scenario)


# -- The record --------------------------------------------------------------------------------------------------------


def test_what_cannot_be_recorded_is_not_done() -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        device.refuse = ("request",)
        assert refused(await server.write("probe/put/a", value="x")) == ("InternalError", "internal error")
        assert "put a" not in server.asked
        assert await server.stored("a") is None
        assert server.idle()

    played(scenario)


def test_an_outcome_that_cannot_be_recorded_is_not_told() -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        device.refuse = ("response",)
        for answer in (
            await server.read("probe/get/a"),
            await server.write("probe/put/a", value="x", fail="refusal"),
            await server.write("probe/login/ann", by=""),
        ):
            assert isinstance(answer, InternalError)
            assert answer.errors == ["internal error"]
        assert server.idle()

    played(scenario)


def test_a_status_endpoint_leaves_no_record_and_needs_none() -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        device.refuse = ("request", "response")
        ok(await server.read("sys/seal-status", by=""))
        assert device.lines == []

    played(scenario)


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("own/refuse", {}, "1 error occurred:\n\t* invalid request\n\n"),
        ("sys/policies/acl/p", {"policy": "{"}, "1 error occurred:\n\t* invalid request\n\n"),
        ("probe/put/a", {"value": "x", "fail": "refusal"}, None),
        ("probe/put/a", {}, None),
        ("nowhere/x", {}, "1 error occurred:\n\t* unsupported path\n\n"),
        ("probe/get/a", {}, "1 error occurred:\n\t* unsupported operation\n\n"),
    ],
)
def test_refusals_of_the_servers_own_engines_have_a_class(path: str, body: dict[str, Any], text: str | None) -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        refused(await server.write(path, **body))
        assert device.of("response", path)[0].get("error") == text
        assert server.idle()

    played(scenario)


def test_the_record_of_a_denial_says_why_and_the_answer_does_not() -> None:
    async def scenario(server: Probe) -> None:
        token = await server.granted("some", probe_get_a="list")
        device = server.record()
        answer = await server.read("probe/get/a", by=token)
        assert "some" not in refused(answer)[1]
        for line in device.lines:
            assert line["auth"]["policy_results"] == {"allowed": False}
            assert "policy some line 1" in line["reason"]
            assert "permission denied" in line["error"]

    played(scenario)


def test_the_record_has_the_uses_that_were_left_before_the_request() -> None:
    async def scenario(server: Probe) -> None:
        token = await server.token(policies=["root"], num_uses=2)
        device = server.record()
        for _ in range(2):
            ok(await server.read("probe/get/a", by=token))
        assert [line["auth"]["remaining_uses"] for line in device.lines] == [2, 2, 1, 1]

    played(scenario)


def test_a_wrapping_token_that_is_none_leaves_one_entry() -> None:
    async def scenario(server: Probe) -> None:
        wrap = ok(await server.read("probe/get/a", wrap_ttl=60)).wrap
        assert wrap is not None
        device = server.record()
        ok(await server.write("sys/wrapping/unwrap", by=wrap.token))
        assert refused(await server.write("sys/wrapping/unwrap", by=wrap.token))[0] == "BadRequest"
        assert [line["type"] for line in device.lines] == ["request", "response", "request"]
        assert device.lines[2]["error"] == "wrapping token is not valid or does not exist"
        assert device.lines[2]["auth"] == {"client_token": wrap.token, "token_type": "default"}

    played(scenario)


def test_a_write_is_recorded_as_what_it_is() -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        for _ in range(2):
            ok(await server.write("probe/put/a", value="x"))
        assert [line["request"]["operation"] for line in device.of("response", "probe/put/a")] == ["create", "update"]

    played(scenario)


def test_an_answer_outside_the_envelope_is_recorded_as_its_data() -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        ok(await server.read("probe/bare"))
        ok(await server.ask(UPDATE, "sys/generate-root/attempt", by=""))
        assert device.of("response", "probe/bare")[0]["response"]["data"] == {"bare": SECRET, "count": 3}
        assert device.of("response", "sys/generate-root/attempt")[0]["response"]["data"]["started"] is True

    played(scenario)


# -- Answers -----------------------------------------------------------------------------------------------------------


def test_a_login_makes_a_token_that_works_and_tells_what_was_cut() -> None:
    async def scenario(server: Probe) -> None:
        answer = ok(await server.write("probe/login/ann", by=""))
        assert answer.auth is not None
        assert answer.auth.policies == ["default"]
        assert answer.warnings
        ok(await server.read("auth/token/lookup-self", by=answer.auth.client_token))

    played(scenario)


def test_a_login_whose_commit_fails_makes_no_token() -> None:
    async def scenario(server: Probe) -> None:
        before = await server.tokens()
        server.storage.refuse = True
        assert refused(await server.write("probe/login/ann", by=""))[0] == "InternalError"
        server.storage.refuse = False
        assert await server.tokens() == before

    played(scenario)


@pytest.mark.parametrize(
    ("path", "wrapped"),
    [
        ("probe/get/a", True),
        ("probe/plain", False),
        ("probe/bare", False),
        ("probe/nothing", False),
        ("sys/mounts", True),
    ],
)
def test_an_answer_with_content_is_wrapped_when_that_is_asked_for(path: str, wrapped: bool) -> None:
    async def scenario(server: Probe) -> None:
        answer = ok(await server.read(path, wrap_ttl=60))
        if not wrapped:
            assert answer.wrap is None
            return
        assert answer.wrap is not None
        assert answer.data is answer.auth is answer.lease is None
        inside = ok(await server.write("sys/wrapping/unwrap", by=answer.wrap.token))
        assert inside.data is not None
        assert refused(await server.write("sys/wrapping/unwrap", by=answer.wrap.token))[0] == "BadRequest"

    played(scenario)


def test_a_login_can_be_wrapped_and_the_token_is_not_in_the_record() -> None:
    async def scenario(server: Probe) -> None:
        device = server.record()
        answer = ok(await server.write("probe/login/ann", by="", wrap_ttl=60))
        assert answer.auth is None
        assert answer.wrap is not None
        assert answer.wrap.wrapped_accessor
        line = device.of("response", "probe/login/ann")[0]["response"]
        assert "auth" not in line
        inside = ok(await server.write("sys/wrapping/unwrap", by=answer.wrap.token))
        assert inside.auth is not None
        ok(await server.read("auth/token/lookup-self", by=inside.auth.client_token))

    played(scenario)


def test_a_refusal_is_not_wrapped() -> None:
    async def scenario(server: Probe) -> None:
        assert refused(await server.write("probe/put/a", wrap_ttl=60, value="x", fail="refusal"))[0] == "BadRequest"

    played(scenario)


@pytest.mark.parametrize(
    ("allowed", "sent"),
    [
        ([], {}),
        (["Other"], {}),
        (["x-one"], {"X-One": "1"}),
        (["X-ONE", "set-cookie"], {"X-One": "1", "Set-Cookie": SECRET}),
    ],
)
def test_an_engine_sets_the_headers_that_its_mount_was_tuned_to_allow(allowed: list[str], sent: dict[str, str]) -> None:
    async def scenario(server: Probe) -> None:
        ok(await server.write("sys/mounts/probe/tune", allowed_response_headers=allowed))
        answer = ok(await server.read("probe/headed"))
        assert (answer.headers, answer.data) == (sent, {"headed": True})

    played(scenario)


@pytest.mark.parametrize(
    ("let_through", "seen"),
    [
        ([], (None, None, None)),
        (["x-ONE"], ("1", None, None)),
        (["X-One", "Authorization", "X-Vault-Token"], ("1", "Basic x", None)),
    ],
)
def test_an_engine_sees_the_headers_that_its_mount_was_tuned_to_let_through(
    let_through: list[str], seen: tuple[str | None, ...]
) -> None:
    async def scenario(server: Probe) -> None:
        ok(await server.write("sys/mounts/probe/tune", passthrough_request_headers=let_through))
        asked = request("probe/seen", Operation.READ)
        asked.headers = {"x-one": "1", "authorization": "Basic x", "x-vault-token": "root"}
        assert tuple(data(await handle(server.core, asked)).values()) == seen

    played(scenario)


def test_parameters_that_nobody_knows_are_named_within_bounds() -> None:
    async def scenario(server: Probe) -> None:
        answer = ok(await server.write("probe/put/a", value="x", fail="tell", zz=1, aa=2))
        assert answer.warnings == ["Endpoint ignored these unrecognized parameters: [aa zz]"]
        many = {f"p{n:03}" + "x" * 100: 1 for n in range(500)}
        (text,) = ok(await server.write("probe/put/a", value="x", fail="tell", **many)).warnings
        assert len(text) < 2000
        assert text.endswith("...]")
        assert ok(await server.write("probe/put/a", value="x", zz=1)).warnings == []
        assert ok(await server.read("probe/get/a", zz=1)).warnings

    played(scenario)


# -- Sealed ------------------------------------------------------------------------------------------------------------


def test_a_sealed_server_answers_its_status_and_nothing_else() -> None:
    async def scenario(server: Probe) -> None:
        await server.core.seal_now()
        assert ok(await server.read("sys/seal-status", by="")).bare
        for path in ("probe/get/a", "sys/mounts", "sys/nothing", "nowhere", "sys/", "auth/token/lookup-self"):
            assert refused(await server.read(path)) == ("Sealed", "Vault is sealed")
        assert refused(await server.write("sys/seal-status")) == ("UnsupportedOperation", "")
        await server.unseal()

    played(scenario)


def test_a_failure_of_ours_while_sealed_says_nothing_too(caplog: pytest.LogCaptureFixture) -> None:
    async def scenario(server: Probe) -> None:
        await server.core.seal_now()

        async def fail() -> None:
            raise RuntimeError(SECRET)

        server.core.seal.status = fail  # type: ignore[method-assign, assignment]
        with caplog.at_level(logging.ERROR):
            assert refused(await server.read("sys/seal-status", by="")) == ("InternalError", "internal error")
        assert SECRET not in caplog.text
        assert "RuntimeError" in caplog.text
        del server.core.seal.status
        await server.unseal()

    played(scenario)


def test_sealing_waits_for_requests_under_way() -> None:
    async def scenario(server: Probe) -> None:
        server.gate = gate = Gate()
        inside = asyncio.create_task(handle(server.core, request("probe/put/a", value="x")))
        await gate.reached.wait()
        live = server.live
        sealing = asyncio.create_task(server.core.seal_now())
        await turns()
        assert refused(await server.read("probe/get/a"))[0] == "Sealed"
        assert not sealing.done()
        gate.open.set()
        await inside
        await sealing
        assert not live.in_flight
        await server.unseal()
        assert await server.stored("a") == b"x"

    played(scenario)
