from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from strongroom import errors
from strongroom.api.messages import Auth, Lease, Response, Timestamp, WrapInfo
from strongroom.api.status import STATUS
from strongroom.server.answer import Answer
from strongroom.server.render import Renderer

EMPTY = {
    "request_id": "id",
    "lease_id": "",
    "renewable": False,
    "lease_duration": 0,
    "data": None,
    "wrap_info": None,
    "warnings": None,
    "auth": None,
}
render = Renderer()


def body(answer: Answer) -> Any:
    assert isinstance(answer.body, bytes)
    assert answer.body.endswith(b"\n")
    assert dict(answer.headers)["content-type"] == "application/json"
    return json.loads(answer.body)


class Shape(msgspec.Struct):
    a: int
    b: str = "x"


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (Response(data={}), {"data": {}}),
        (Response(data={"a": 1}), {"data": {"a": 1}}),
        (Response(data=Shape(1)), {"data": {"a": 1, "b": "x"}}),
        (Response(data=msgspec.Raw(b'{"a": 1.10}')), {"data": {"a": 1.1}}),
        (Response(data={"t": Timestamp(1_700_000_000_500_000_000)}), {"data": {"t": "2023-11-14T22:13:20.5Z"}}),
        (Response(data={"raw": {"deep": [msgspec.Raw(b"[1]")]}}), {"data": {"raw": {"deep": [[1]]}}}),
        (Response(warnings=["careful"]), {"warnings": ["careful"]}),
        (Response(data={"a": 1}, lease=Lease(3600)), {"data": {"a": 1}, "lease_duration": 3600}),
        (
            Response(data={"a": 1}, lease=Lease(60, "aws/creds/x", True)),
            {"data": {"a": 1}, "lease_duration": 60, "lease_id": "aws/creds/x", "renewable": True},
        ),
    ],
)
def test_the_envelope_has_all_its_keys(response: Response, expected: dict[str, Any]) -> None:
    answer = render.response("id", response)
    assert answer.status == 200
    assert body(answer) == {**EMPTY, **expected}
    assert list(body(answer)) == list(EMPTY)


def test_raw_json_is_sent_as_it_is() -> None:
    answer = render.response("id", Response(data={"n": msgspec.Raw(b"123456789012345678901234567890.10")}))
    assert isinstance(answer.body, bytes)
    assert b'"n":123456789012345678901234567890.10' in answer.body


def test_auth() -> None:
    auth = Auth(
        policies=["default", "p"],
        token_policies=["default"],
        identity_policies=["p"],
        metadata={"k": "v"},
        client_token="t",
        accessor="a",
        lease_duration=60,
        renewable=True,
        entity_id="e",
        orphan=False,
        num_uses=3,
        internal={"secret": "s"},
    )
    assert body(render.response("id", Response(auth=auth)))["auth"] == {
        "client_token": "t",
        "accessor": "a",
        "policies": ["default", "p"],
        "token_policies": ["default"],
        "identity_policies": ["p"],
        "metadata": {"k": "v"},
        "lease_duration": 60,
        "renewable": True,
        "entity_id": "e",
        "token_type": "service",
        "orphan": False,
        "mfa_requirement": None,
        "num_uses": 3,
    }


def test_empty_lists_of_token_and_identity_policies_are_left_out() -> None:
    auth = body(render.response("id", Response(auth=Auth(policies=["root"]))))["auth"]
    assert "token_policies" not in auth
    assert "identity_policies" not in auth
    assert auth["metadata"] is None


@pytest.mark.parametrize("accessor", ["", "acc"])
def test_a_wrapped_answer_has_no_request_id(accessor: str) -> None:
    wrap = WrapInfo("t", "a", 60, 1_700_000_000_000_000_000, "secret/data/x", accessor)
    more = {"wrapped_accessor": accessor} if accessor else {}
    assert body(render.response("id", Response(wrap=wrap))) == {
        **EMPTY,
        "request_id": "",
        "wrap_info": {
            "token": "t",
            "accessor": "a",
            "ttl": 60,
            "creation_time": "2023-11-14T22:13:20Z",
            "creation_path": "secret/data/x",
            **more,
        },
    }


@pytest.mark.parametrize("data", [{"a": 1, "b": "x", "auth": 5}, Shape(1), msgspec.Raw(b'{"a": 1, "b": "x"}')])
def test_flat_answers_repeat_their_data_beside_the_envelope(data: Any) -> None:
    got = body(render.response("id", Response(data=data, flat=True)))
    assert got["a"] == got["data"]["a"] == 1
    assert got["b"] == got["data"]["b"] == "x"
    assert got["auth"] is None
    assert set(EMPTY) < set(got)


@pytest.mark.parametrize(("status", "sent"), [(0, 204), (404, 404), (200, 200)])
def test_nothing_is_sent_without_a_body(status: int, sent: int) -> None:
    answer = render.response("id", Response(status=status))
    assert (answer.status, answer.body) == (sent, b"")
    assert "content-type" not in dict(answer.headers)


def test_a_status_of_its_own() -> None:
    assert render.response("id", Response(data={}, status=404)).status == 404


@pytest.mark.parametrize(
    ("bare", "kind", "sent"),
    [
        ({"initialized": True}, "application/json", b'{"initialized":true}\n'),
        (Shape(1), "application/json", b'{"a":1,"b":"x"}\n'),
        (b"# HELP", "text/plain; version=0.0.4", b"# HELP"),
    ],
)
def test_bare_answers(bare: Any, kind: str, sent: bytes) -> None:
    answer = render.response("id", Response(bare=bare, content_type=kind, status=429))
    assert (answer.status, answer.body, dict(answer.headers)["content-type"]) == (429, sent, kind)


@pytest.mark.parametrize("error", [cls for cls in STATUS if cls is not errors.NoRoute])
def test_errors_have_their_status_and_list(error: type[errors.RequestError]) -> None:
    answer = render.error("id", error("what is wrong"))
    assert (answer.status, body(answer)) == (STATUS[error], {"errors": ["what is wrong"]})


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (errors.NotFound(), {"errors": []}),
        (errors.PermissionDenied(), {"errors": ["1 error occurred:\n\t* permission denied\n\n"]}),
        (errors.NotFound(data={"a": 1}), {**EMPTY, "data": {"a": 1}}),
        (errors.NotFound(warnings=["look elsewhere"]), {**EMPTY, "warnings": ["look elsewhere"]}),
    ],
)
def test_errors_with_data_or_warnings_are_envelopes(error: errors.RequestError, expected: dict[str, Any]) -> None:
    assert body(render.error("id", error)) == expected


def test_reasons_are_not_sent() -> None:
    answer = render.error("id", errors.PermissionDenied(reason="policy x"))
    assert isinstance(answer.body, bytes)
    assert b"policy x" not in answer.body


@pytest.mark.parametrize(
    "answer",
    [
        render.response("id", Response(data={})),
        render.response("id", Response()),
        render.response("id", Response(bare=b"x", content_type="text/plain")),
        render.error("id", errors.BadRequest("x")),
        render.dress(Answer(400)),
    ],
)
def test_nothing_may_be_cached_and_no_version_is_told(answer: Answer) -> None:
    headers = dict(answer.headers)
    assert headers["cache-control"] == "no-store"
    assert headers["server"] == "Strongroom"
    assert len(headers) == len(answer.headers)


def test_tls_answers_ask_for_tls() -> None:
    assert "strict-transport-security" in dict(Renderer(tls=True).response("id", Response()).headers)
    assert "strict-transport-security" not in dict(render.response("id", Response()).headers)


def test_custom_headers_by_status_and_the_more_special_wins() -> None:
    custom = {
        "default": {"X-A": ("default",), "X-Many": ("1", "2"), "Cache-Control": ("private",)},
        "4xx": {"x-a": ("class",)},
        "404": {"X-A": ("exact",)},
    }
    special = Renderer(custom)
    assert dict(special.response("id", Response(data={})).headers)["x-a"] == "default"
    assert dict(special.error("id", errors.BadRequest()).headers)["x-a"] == "class"
    headers = special.error("id", errors.NotFound()).headers
    assert dict(headers)["x-a"] == "exact"
    assert [value for name, value in headers if name == "x-many"] == ["1", "2"]
    assert [value for name, value in headers if name == "cache-control"] == ["private"]


def test_an_answer_s_own_headers() -> None:
    headers = dict(render.error("id", errors.TooManyRequests("x", headers={"Retry-After": "3"})).headers)
    assert headers["retry-after"] == "3"
    assert dict(render.response("id", Response(headers={"Cache-Control": "max-age=1"})).headers)["cache-control"] == (
        "max-age=1"
    )


@pytest.mark.parametrize(
    "response",
    [
        Response(data={"plaintext": "x" * 50, "nested": {"data": 0}}),
        Response(data={"value": '"data":0'}, warnings=['"data":0']),
        Response(data={"password": "x"}, lease=Lease(60, 'database/creds/"data":0', renewable=True)),
    ],
)
def test_a_large_answer_is_the_same_in_parts(response: Response, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = render.response("id", response)
    monkeypatch.setattr("strongroom.server.render.LARGE", 8)
    parts = render.response("id", response)
    assert isinstance(parts.body, tuple)
    assert b"".join(parts.body) == whole.body
    assert parts._replace(body=b"") == whole._replace(body=b"")
    assert parts.body[1] is response.text
