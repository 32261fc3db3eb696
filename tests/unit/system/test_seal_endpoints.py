from __future__ import annotations

import base64
import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.seal_server import FakeCore, call, run
from tests.unit.auth.own_server import ok
from tests.unit.auth.own_server import refused as refused_answer
from tests.unit.system.whole import WholeServer, limited, served

from strongroom import VAULT_VERSION, __version__
from strongroom.api.messages import Operation, Timestamp
from strongroom.api.routes import Route
from strongroom.config import StorageConfig
from strongroom.errors import BadRequest, InternalError, RequestError, Sealed, UnsupportedOperation
from strongroom.system.engine import system

READ, WRITE, DELETE = Operation.READ, Operation.UPDATE, Operation.DELETE

ONE = {"secret_shares": 1, "secret_threshold": 1}

STATUS_PATHS = ("init", "unseal", "seal-status", "health", "leader", "step-down", "internal/ui/feature-flags")
SHARE_PATHS = (
    "rekey/init",
    "rekey/update",
    "rekey/verify",
    "rekey-recovery-key/init",
    "generate-root/attempt",
    "generate-root/update",
)


async def refused(core: FakeCore, operation: Operation, path: str, data: dict[str, Any] | None = None) -> RequestError:
    with pytest.raises(RequestError) as caught:
        await call(core, operation, path, data)
    return caught.value


def routes_of(path: str) -> list[Route]:
    return [route for route in system.routes if route.regex.fullmatch(path)]


# -- Declarations ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", STATUS_PATHS)
def test_status_endpoints_need_no_token_and_no_unsealed_server_and_leave_no_trace(path: str) -> None:
    routes = routes_of(path)
    assert routes
    for flags in (route.flags for route in routes):
        assert flags.unauthenticated
        assert flags.sealed_ok
        assert flags.unaudited
        assert flags.no_wrap
        assert flags.terse
        assert flags.standby_local


@pytest.mark.parametrize("path", SHARE_PATHS)
def test_what_share_holders_do_needs_no_token_but_an_unsealed_server_and_is_audited(path: str) -> None:
    routes = routes_of(path)
    assert routes
    for flags in (route.flags for route in routes):
        assert flags.unauthenticated
        assert flags.terse
        assert not flags.sealed_ok
        assert not flags.unaudited


@pytest.mark.parametrize(
    ("path", "sudo"), [("seal", True), ("rotate", True), ("rotate/config", False), ("key-status", False)]
)
def test_which_endpoints_need_sudo(path: str, sudo: bool) -> None:
    for route in routes_of(path):
        assert route.flags.sudo is sudo
        assert not route.flags.unauthenticated


@pytest.mark.parametrize(
    ("operation", "path", "terse"),
    [
        (DELETE, "init", True),
        (READ, "unseal", True),
        (WRITE, "seal-status", True),
        (WRITE, "health", True),
        (DELETE, "leader", True),
        (READ, "seal", True),
        (READ, "step-down", True),
        (DELETE, "rekey/update", True),
        (READ, "generate-root/update", True),
        (READ, "rotate", False),
    ],
)
def test_a_wrong_method_is_refused(operation: Operation, path: str, terse: bool) -> None:
    with pytest.raises(UnsupportedOperation) as caught:
        system.match(path, operation)
    assert (caught.value.errors == []) is terse


# -- init --------------------------------------------------------------------------------------------------------------


def test_init_answers_with_the_shares_in_both_writings_and_a_root_token() -> None:
    async def test() -> None:
        core = FakeCore()
        assert (await call(core, READ, "init"))[1] == {"initialized": False}
        _, body = await call(core, WRITE, "init", {"secret_shares": 5, "secret_threshold": "3"})
        assert list(body) == ["keys", "keys_base64", "root_token"]
        assert len(body["keys"]) == len(body["keys_base64"]) == 5
        assert len(body["root_token"]) == 28
        assert (await call(core, READ, "init"))[1] == {"initialized": True}
        error = await refused(core, WRITE, "init", {"pgp_keys": ["a"]})
        assert error.errors == ["Vault is already initialized"]

    run(test)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({}, "invalid seal configuration: shares must be at least one"),
        ({"secret_shares": 5}, "invalid seal configuration: threshold must be at least one"),
        ({"secret_shares": 256, "secret_threshold": 3}, "invalid seal configuration: shares must be less than 256"),
        ({"secret_shares": "five"}, 'field "secret_shares"'),
        (
            {"secret_shares": 3, "secret_threshold": 2, "pgp_keys": ["one"]},
            "count mismatch between number of provided PGP keys and number of shares",
        ),
        ({"secret_shares": 1, "secret_threshold": 1, "pgp_keys": ["one"]}, "error decoding given PGP key"),
        ({"secret_shares": 1, "secret_threshold": 1, "root_token_pgp_key": "one"}, "error decoding given PGP key"),
        (
            {"recovery_shares": 5, "recovery_threshold": 3},
            "parameters recovery_shares,recovery_threshold not applicable to seal type shamir",
        ),
        (
            {"secret_shares": 1, "secret_threshold": 1, "recovery_pgp_keys": ["one"]},
            "parameters recovery_pgp_keys not applicable to seal type shamir",
        ),
    ],
)
def test_init_refuses(data: dict[str, Any], text: str) -> None:
    async def test() -> None:
        core = FakeCore()
        error = await refused(core, WRITE, "init", data)
        assert isinstance(error, BadRequest)
        assert text in error.errors[0]
        assert not await core.seal.initialised()

    run(test)


# -- seal-status and unseal --------------------------------------------------------------------------------------------


def test_seal_status_has_its_fields_in_order() -> None:
    async def test() -> None:
        core = FakeCore()
        _, before = await call(core, READ, "seal-status")
        names = ["type", "initialized", "sealed", "t", "n", "progress", "nonce", "version", "build_date", "migration"]
        after = ["recovery_seal", "storage_type", "strongroom_version"]
        assert list(before) == names + after
        assert (before["initialized"], before["sealed"], before["t"], before["n"]) == (False, True, 0, 0)
        await core.unsealed()
        _, status = await call(core, READ, "seal-status")
        assert list(status) == [*names, "cluster_name", "cluster_id", *after]
        assert (status["initialized"], status["sealed"], status["t"], status["n"]) == (True, False, 2, 3)
        assert (status["version"], status["strongroom_version"]) == (VAULT_VERSION, __version__)

    run(test)


def test_unsealing_takes_hex_and_base64_and_can_start_over() -> None:
    async def test() -> None:
        core = FakeCore()
        _, made = await call(core, WRITE, "init", {"secret_shares": 3, "secret_threshold": 2})
        _, status = await call(core, WRITE, "unseal", {"key": made["keys"][0]})
        assert status["progress"] == 1
        _, status = await call(core, WRITE, "unseal", {"key": made["keys"][1], "reset": True})
        assert (status["progress"], status["nonce"], status["sealed"]) == (0, "", True)
        await call(core, WRITE, "unseal", {"key": made["keys"][2]})
        _, status = await call(core, WRITE, "unseal", {"key": made["keys_base64"][0]})
        assert not status["sealed"]
        _, status = await call(core, WRITE, "unseal", {"key": "whatever"})
        assert not status["sealed"]
        assert (await refused(core, WRITE, "unseal", {"reset": True})).errors == ["vault is unsealed"]

    run(test)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({}, "'key' must be specified in request body as JSON, or 'reset' set to true"),
        ({"key": ""}, "'key' must be specified in request body as JSON, or 'reset' set to true"),
        ({"key": "zz"}, "'key' must be a valid hex or base64 string"),
        ({"key": "00"}, "'key' must be a valid hex or base64 string"),
        ({"key": "AAAA"}, "invalid key: key is shorter than minimum 16 bytes"),
        ({"key": "/" * 48}, "invalid key: key is longer than maximum 33 bytes"),
        ({"key": "AAAA", "migrate": True}, "can't perform a seal migration, no migration seal found"),
    ],
)
def test_unseal_refuses(data: dict[str, Any], text: str) -> None:
    async def test() -> None:
        core = FakeCore()
        await core.init()
        assert (await refused(core, WRITE, "unseal", data)).errors == [text]

    run(test)


@given(st.text(), st.booleans())
def test_no_key_breaks_unsealing(key: str, initialised: bool) -> None:
    async def test() -> None:
        core = FakeCore()
        if initialised:
            await core.init(1, 1)
        with contextlib.suppress(BadRequest):
            await call(core, WRITE, "unseal", {"key": key})

    run(test)


def test_sealing_happens_once_the_request_is_through() -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        response, _ = await call(core, WRITE, "seal")
        assert response.empty
        assert core.live is None
        assert core.barrier.sealed

    run(test)


def test_a_server_without_a_cluster_has_no_leadership_to_hand_over() -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        response, _ = await call(core, WRITE, "step-down")
        assert response.empty
        assert core.live is not None
        _, body = await call(core, READ, "leader")
        assert body["ha_enabled"] is False
        assert body["active_time"] == "0001-01-01T00:00:00Z"

    run(test)


@pytest.mark.parametrize(
    ("capabilities", "refusal"),
    [
        ((), "PermissionDenied"),
        (("update",), "PermissionDenied"),
        (("sudo",), "PermissionDenied"),
        (("update", "sudo"), ""),
    ],
)
def test_in_rafts_place_stepping_down_takes_update_and_sudo(capabilities: tuple[str, ...], refusal: str) -> None:
    async def scenario(server: WholeServer) -> None:
        token = await limited(server, *capabilities) if capabilities else await server.token(policies=["default"])
        answer = await server.write("sys/step-down", by=token)
        if refusal:
            assert refused_answer(answer) == (refusal, "1 error occurred:\n\t* permission denied\n\n")
        else:
            assert ok(answer).empty

    served(scenario, storage=StorageConfig(type="raft"))


@pytest.mark.parametrize(("storage", "refusal"), [("raft", "BadToken"), ("inmem", "")])
@pytest.mark.parametrize("token", ["", "unknown"])
def test_stepping_down_without_a_valid_token_is_refused_in_rafts_place_only(
    storage: str, refusal: str, token: str
) -> None:
    async def scenario(server: WholeServer) -> None:
        answer = await server.write("sys/step-down", by=token)
        assert refused_answer(answer)[0] == refusal if refusal else ok(answer).empty

    served(scenario, storage=StorageConfig(type=storage))


# -- health ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "query", "status"),
    [
        ("uninitialised", {}, 501),
        ("uninitialised", {"uninitcode": "299"}, 299),
        ("uninitialised", {"sealedcode": "299"}, 501),
        ("uninitialised", {"standbyok": "true", "perfstandbyok": "true"}, 501),
        ("uninitialised", {"uninitcode": "204"}, 204),
        ("sealed", {}, 503),
        ("sealed", {"sealedcode": "200", "uninitcode": "201"}, 200),
        ("sealed", {"uninitcode": "299"}, 503),
        ("sealed", {"standbyok": "true"}, 503),
        ("active", {}, 200),
        ("active", {"activecode": "203", "standbycode": "207"}, 203),
        ("active", {"standbyok": "true"}, 200),
        ("active", {"standbyok": ""}, 200),
    ],
)
def test_health_tells_the_state_by_its_code(state: str, query: dict[str, str], status: int) -> None:
    async def test() -> None:
        core = FakeCore()
        if state == "sealed":
            await core.init()
        elif state == "active":
            await core.unsealed()
        response, body = await call(core, READ, "health", query)
        assert response.status == status
        if status == 204:
            assert response.bare is None
            return
        active = state == "active"
        assert body["initialized"] is (state != "uninitialised")
        assert body["sealed"] is body["standby"] is not active
        assert body["replication_dr_mode"] == ("disabled" if active else "unknown")
        assert ("cluster_id" in body) is active
        assert body["server_time_utc"] == 1_700_000_000

    run(test)


@pytest.mark.parametrize("state", ["uninitialised", "active"])
@pytest.mark.parametrize(
    "query",
    [
        {"uninitcode": "x"},
        {"activecode": "zero"},
        {"sealedcode": ""},
        {"sealedcode": "99"},
        {"sealedcode": "600"},
        {"activecode": "100"},
        {"activecode": "+200"},
        {"activecode": "٢٠٠"},
        {"standbyok": "maybe"},
        {"perfstandbyok": "2x"},
    ],
)
def test_health_refuses_what_is_no_code_without_a_word(state: str, query: dict[str, str]) -> None:
    async def test() -> None:
        core = FakeCore()
        if state == "active":
            await core.unsealed()
        error = await refused(core, READ, "health", query)
        assert isinstance(error, BadRequest)
        assert error.errors == []

    run(test)


@given(st.dictionaries(st.sampled_from(["activecode", "uninitcode", "standbyok", "x"]), st.text(max_size=5)))
def test_no_query_breaks_health(query: dict[str, str]) -> None:
    async def test() -> None:
        try:
            response, _ = await call(FakeCore(), READ, "health", query)
            assert 200 <= response.status < 600
        except BadRequest:
            pass

    run(test)


# -- rekey -------------------------------------------------------------------------------------------------------------

IDLE = {
    "nonce": "",
    "started": False,
    "t": 0,
    "n": 0,
    "progress": 0,
    "required": 2,
    "pgp_fingerprints": None,
    "backup": False,
    "verification_required": False,
}


def test_a_rekey_with_verification_from_beginning_to_end() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(3, 2)
        assert (await call(core, READ, "rekey/init"))[1] == IDLE
        wish = {"secret_shares": 2, "secret_threshold": 2, "require_verification": True}
        _, started = await call(core, WRITE, "rekey/init", wish)
        nonce = started["nonce"]
        assert started == IDLE | {"nonce": nonce, "started": True, "t": 2, "n": 2, "verification_required": True}
        assert (await call(core, READ, "rekey/verify"))[1] == {
            "nonce": "",
            "started": False,
            "t": 2,
            "n": 2,
            "progress": 0,
        }
        _, body = await call(core, WRITE, "rekey/update", {"key": made.shares[0].hex(), "nonce": nonce})
        assert body == started | {"progress": 1}
        _, body = await call(core, WRITE, "rekey/update", {"key": made.shares[1].hex(), "nonce": nonce})
        fields = "nonce complete keys keys_base64 pgp_fingerprints backup verification_required verification_nonce"
        assert list(body) == fields.split()
        keys, shown = body["keys"], body["verification_nonce"]
        _, body = await call(core, READ, "rekey/init")
        assert (body["progress"], body["verification_nonce"]) == (0, shown)
        _, body = await call(core, WRITE, "rekey/verify", {"key": keys[0], "nonce": shown})
        assert body == {"nonce": shown, "started": True, "t": 2, "n": 2, "progress": 1}
        _, body = await call(core, DELETE, "rekey/verify")
        assert body["progress"] == 0
        assert body["nonce"] != shown
        shown = body["nonce"]
        await call(core, WRITE, "rekey/verify", {"key": keys[0], "nonce": shown})
        _, body = await call(core, WRITE, "rekey/verify", {"key": keys[1], "nonce": shown})
        assert body == {"nonce": shown, "complete": True}
        for operation in (READ, DELETE):
            assert (await refused(core, operation, "rekey/verify")).errors == ["no rekey configuration found"]
        assert (await call(core, READ, "seal-status"))[1]["n"] == 2

    run(test)


@pytest.mark.parametrize(
    ("path", "data", "error", "text"),
    [
        (
            "rekey/init",
            {"secret_shares": 3, "secret_threshold": 2, "backup": True},
            BadRequest,
            "cannot request a backup",
        ),
        ("rekey/init", {"secret_shares": 3, "pgp_keys": ["a"]}, BadRequest, "incorrect number of PGP keys for rekey"),
        ("rekey/init", {**ONE, "pgp_keys": ["a"]}, BadRequest, "error decoding given PGP key"),
        ("rekey/init", {}, InternalError, "invalid rekey seal configuration: shares must be at least one"),
        ("rekey/update", {"nonce": "x"}, BadRequest, "'key' must be specified in request body as JSON"),
        ("rekey/update", {"key": "!!", "nonce": "x"}, BadRequest, "'key' must be a valid hex or base64 string"),
        ("rekey/update", {"key": "ab" * 32, "nonce": "x"}, BadRequest, "no barrier rekey in progress"),
        ("rekey/verify", {"key": "ab" * 32, "nonce": "x"}, BadRequest, "no barrier rekey in progress"),
        ("rekey-recovery-key/init", {}, BadRequest, "recovery rekeying not supported"),
        ("generate-root/update", {"nonce": "x"}, BadRequest, "'key' must be specified in request body as JSON"),
        ("generate-root/update", {"key": "00", "nonce": "x"}, BadRequest, "'key' must be a valid hex or base64 string"),
        ("generate-root/update", {"key": "ab" * 32, "nonce": "x"}, BadRequest, "no root generation in progress"),
        ("generate-root/attempt", {"otp": "short"}, BadRequest, "OTP string is wrong length"),
        ("generate-root/attempt", {"otp": "short", "pgp_key": "y"}, BadRequest, "OTP string is wrong length"),
        ("generate-root/attempt", {"pgp_key": "not a key"}, BadRequest, "error parsing PGP key"),
    ],
)
def test_share_holders_are_refused(path: str, data: dict[str, Any], error: type[RequestError], text: str) -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        caught = await refused(core, WRITE, path, data)
        assert type(caught) is error
        assert text in caught.errors[0]

    run(test)


def test_giving_up_what_was_never_begun_is_fine() -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        for path in ("rekey/init", "generate-root/attempt", "rekey/backup", "rekey/recovery-key-backup"):
            response, _ = await call(core, DELETE, path)
            assert response.empty
        for path in ("rekey/backup", "rekey/recovery-key-backup"):
            assert (await refused(core, READ, path)).errors == ["no backed-up keys found"]

    run(test)


@pytest.mark.parametrize("path", ["rekey/init", "rekey/verify", "generate-root/attempt", "key-status", "rotate/config"])
def test_a_sealed_server_says_so(path: str) -> None:
    async def test() -> None:
        core = FakeCore()
        await core.init()
        assert isinstance(await refused(core, READ, path), Sealed)

    run(test)


# -- generate-root -----------------------------------------------------------------------------------------------------


def test_the_password_is_shown_once_and_the_token_only_encoded() -> None:
    async def test() -> None:
        core = FakeCore()
        made = await core.unsealed(3, 2)
        _, idle = await call(core, READ, "generate-root/attempt")
        assert list(idle) == [
            "nonce",
            "started",
            "progress",
            "required",
            "complete",
            "encoded_token",
            "encoded_root_token",
            "pgp_fingerprint",
            "otp",
            "otp_length",
        ]
        assert (idle["started"], idle["required"], idle["otp_length"]) == (False, 2, 28)
        _, started = await call(core, WRITE, "generate-root/attempt")
        assert len(started["otp"]) == 28
        assert (await call(core, READ, "generate-root/attempt"))[1] == started | {"otp": ""}
        share = {"key": made.shares[0].hex(), "nonce": started["nonce"]}
        _, body = await call(core, WRITE, "generate-root/update", share)
        assert body == started | {"progress": 1, "otp": "", "otp_length": 0}
        share["key"] = made.shares[1].hex()
        _, body = await call(core, WRITE, "generate-root/update", share)
        assert (body["progress"], body["complete"], body["started"]) == (2, True, True)
        assert body["encoded_token"] == body["encoded_root_token"] != ""
        assert (await call(core, READ, "generate-root/attempt"))[1] == idle

    run(test)


def test_a_password_of_the_callers_own_is_not_shown() -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        _, body = await call(core, WRITE, "generate-root/attempt", {"otp": "x" * 28})
        assert body["otp"] == ""

    run(test)


# -- rotate ------------------------------------------------------------------------------------------------------------


def test_rotating_adds_a_term_and_key_status_repeats_its_keys() -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        response, first = await call(core, READ, "key-status")
        assert response.flat
        assert first["term"] == 1
        assert first["install_time"] == Timestamp(1_700_000_000_000_000_000)
        response, _ = await call(core, WRITE, "rotate")
        assert response.empty
        assert (await call(core, READ, "key-status"))[1]["term"] == 2
        assert await core.barrier.get("core/mount/1") == b"first state"

    run(test)


def test_the_rotation_settings_as_recorded() -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        path = "rotate/config"
        default = {"enabled": True, "interval": 0, "max_operations": 3865470566}
        assert (await call(core, READ, path))[1] == default
        await call(core, WRITE, path, {"enabled": True, "max_operations": 2000000, "interval": "48h"})
        changed = {"enabled": True, "interval": "48h0m0s", "max_operations": 2000000}
        assert (await call(core, READ, path))[1] == changed
        await call(core, WRITE, path, {"enabled": False})
        assert (await call(core, READ, path))[1] == changed
        await call(core, WRITE, path, {"enabled": False, "interval": "24h"})
        assert (await call(core, READ, path))[1] == changed | {"enabled": False, "interval": "24h0m0s"}
        await call(core, WRITE, path, {"enabled": True, "interval": "0"})
        assert (await call(core, READ, path))[1] == changed | {"interval": 0}

    run(test)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ({"max_operations": 10}, "max_operations must be in the range [1000000,3865470566]"),
        ({"max_operations": 3865470567}, "max_operations must be in the range [1000000,3865470566]"),
        ({"interval": "1h"}, "interval must be greater or equal to 24h0m0s"),
        ({"max_operations": "many"}, 'field "max_operations"'),
        ({"interval": -5}, 'field "interval"'),
    ],
)
def test_rotation_settings_out_of_range_are_refused(data: dict[str, Any], text: str) -> None:
    async def test() -> None:
        core = FakeCore()
        await core.unsealed()
        error = await refused(core, WRITE, "rotate/config", data)
        assert isinstance(error, BadRequest)
        assert text in error.errors[0]

    run(test)


def xored(token: str, otp: str) -> str:
    return (
        base64.b64encode(bytes(a ^ b for a, b in zip(token.encode(), otp.encode(), strict=True))).decode().rstrip("=")
    )


def test_the_server_takes_the_password_off_a_token_for_anybody() -> None:
    async def scenario(server: WholeServer) -> None:
        token, otp = "hvs.0123456789abcdefghijklmn", "ABCDEFGHIJKLMNOPQRSTUVWXYZab"
        for encoded in (xored(token, otp), xored(token, otp) + "=="):
            answer = await server.post("sys/decode-token", {"encoded_token": encoded, "otp": otp}, by="")
            assert ok(answer).data == {"token": token}

    served(scenario)


@pytest.mark.parametrize(
    ("encoded", "otp"),
    [
        ("", ""),
        ("", "hunter2"),
        ("hunter2!", "hunter2"),
        ("aHVudGVyMg", ""),
        ("aHVudGVyMg", "hunter"),
        ("a", "hunter2"),
        ("____________", "hunter2"),
        ("/////////w", "hunter2"),
        ("aHVudGVyMg", "\u0661hunte"),
    ],
)
def test_what_is_no_encoded_token_is_refused_and_not_repeated(encoded: str, otp: str) -> None:
    async def scenario(server: WholeServer) -> None:
        answer = await server.post("sys/decode-token", {"encoded_token": encoded, "otp": otp}, by="")
        name, text = refused_answer(answer)
        assert name == "BadRequest"
        assert "hunter2" not in text

    served(scenario)
