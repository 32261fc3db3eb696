"""A real server asks a cluster over TLS; a service account comes in by the handbook's words."""

from __future__ import annotations

import json
import pathlib

import pytest

from tests.support.certificates import authority, write
from tests.support.issuers import KubernetesAPI, Site
from tests.support.process import SQLITE, Process, running


def configured(server: Process, cluster: Site, folder: pathlib.Path) -> None:
    server.unseal(server.init())
    (folder / "ca.crt").write_bytes(authority().cert_pem.bytes())
    (folder / "reviewer").write_text("reviewer")
    server.cli("auth", "enable", "kubernetes")
    server.cli(
        "write",
        "auth/kubernetes/config",
        f"kubernetes_host={cluster.address}",
        "kubernetes_ca_cert=@ca.crt",
        "token_reviewer_jwt=@reviewer",
    )
    server.cli(
        "write",
        "auth/kubernetes/role/workflow-service",
        "bound_service_account_names=workflow-service",
        "bound_service_account_namespaces=production",
        "policies=workflow-service-policy",
        "ttl=1h",
    )


def test_a_pod_reads_its_secret_and_no_other(tmp_path: pathlib.Path) -> None:
    api = KubernetesAPI()
    with Site(api, write(tmp_path)) as cluster, running(tmp_path, SQLITE) as server:
        configured(server, cluster, tmp_path)
        server.cli("secrets", "enable", "-path=secret", "-version=2", "kv")
        server.cli("policy", "write", "workflow-service-policy", "-", stdin=POLICY)
        server.cli("kv", "put", "secret/openai", "api_key=sk-1")
        jwt = api.token()
        given = {"role": "workflow-service", "jwt": jwt}
        status, body = server.call("POST", "auth/kubernetes/login", given, token="none")
        assert status == 200, body
        token = body["auth"]["client_token"]
        assert body["auth"]["lease_duration"] == 3600
        status, body = server.call("GET", "auth/token/lookup-self", token=token)
        assert body["data"]["display_name"] == "kubernetes-production-workflow-service"
        assert server.call("GET", "secret/data/openai", token=token)[1]["data"]["data"] == {"api_key": "sk-1"}
        assert server.call("GET", "secret/data/other", token=token)[0] == 403

        api.deleted.add("system:serviceaccount:production:workflow-service")
        assert server.call("POST", "auth/kubernetes/login", given) == (403, {"errors": ["permission denied"]})
        log = server.log.read_text()
        assert "the service account was deleted" in log
        assert jwt not in log
        assert token not in log


POLICY = 'path "secret/data/openai" { capabilities = ["read"] }'


@pytest.mark.parametrize("sealed", [False, True])
def test_stopping_closes_the_connections_without_a_word(tmp_path: pathlib.Path, sealed: bool) -> None:
    api = KubernetesAPI()
    with Site(api, write(tmp_path)) as cluster:
        with running(tmp_path, SQLITE) as server:
            configured(server, cluster, tmp_path)
            given = {"role": "workflow-service", "jwt": api.token()}
            assert server.call("POST", "auth/kubernetes/login", given)[0] == 200
            if sealed:
                assert server.call("PUT", "sys/seal")[0] == 204
            assert server.stop() == 0
        log = server.log.read_text()
        assert "Unclosed" not in log
        assert "Traceback" not in log
        assert json.dumps(given["jwt"]) not in log
