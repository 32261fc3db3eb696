"""The whole API, as the server itself describes it: no request to any of it is an error of the server's."""

from __future__ import annotations

import http.client
import pathlib

from tests.support.api_walk import DEV, FAILED, SKIPPED, Walk, everything_mounted, problem
from tests.support.process import running

SEED = 20240607


def test_no_request_to_any_endpoint_is_an_error_of_the_servers(tmp_path: pathlib.Path) -> None:
    with running(tmp_path, config="", args=DEV) as server:
        server.token = "root"
        walk = Walk(everything_mounted(server), SEED, SKIPPED)
        connection = server.connection()
        problems: dict[str, str] = {}
        count = 0
        for sent in walk.requests(fitting=4, odd=6):
            count += 1
            headers = {"X-Vault-Token": "root", **sent.headers}
            connection.request(sent.method, sent.target, sent.body or None, headers)
            answer: http.client.HTTPResponse = connection.getresponse()
            body = answer.read()
            kind = answer.headers.get("content-type", "")
            found = problem(sent.operation, sent.documented, answer.status, kind, body)
            if found:
                problems.setdefault(f"{found}: {sent.operation}", f"{answer.status} {sent} -> {body[:300]!r}")
        status, _ = server.call("GET", "sys/health")
        assert status == 200
        connection.close()
        report = "\n".join(f"{name}\n    {example}" for name, example in sorted(problems.items()))
        assert not problems, f"{len(problems)} problems in {count} requests\n{report}"
        assert FAILED.findall(server.log.read_text()) == []
    assert count > 2000
