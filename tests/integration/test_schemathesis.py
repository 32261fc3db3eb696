"""The API's description under Schemathesis: requests at the edges of every schema, and answers held against it.

`test_api_walk` asks what a schema does not tell: LIST as a method, wrapping, and values that mean something to engines.
"""

from __future__ import annotations

import pathlib
import subprocess
import sys

from tests.support.api_walk import DEV, FAILED, SKIPPED, everything_mounted
from tests.support.process import clean_environment, running

ST = str(pathlib.Path(sys.executable).with_name("st"))

HOOKS = {
    "SCHEMATHESIS_HOOKS": "tests.support.schema_checks",
    "PYTHONPATH": str(pathlib.Path(__file__).parents[2]),
}
CHECKS = ("documented_shape", "status_code_conformance", "response_headers_conformance", "allow_header_conformance")


def test_every_operation_answers_as_it_is_described(tmp_path: pathlib.Path) -> None:
    with running(tmp_path, config="", args=DEV) as server:
        server.token = "root"
        paths = everything_mounted(server)["paths"]
        skipped = [
            f"--exclude-operation-id={paths[path][method]['operationId']}"
            for method, path in (operation.split(" ") for operation in sorted(SKIPPED))
        ]
        done = subprocess.run(
            [
                *(ST, "run", f"{server.address}/v1/sys/internal/specs/openapi", f"--url={server.address}/v1"),
                *("--header=X-Vault-Token: root", f"--checks={','.join(CHECKS)}"),
                *("--phases=coverage,fuzzing", "--max-examples=2", "--workers=1", "--seed=20240607"),
                *("--no-shrink", "--continue-on-failure", "--warnings=off", "--no-color"),
                *("--generation-database=none", "--max-failures=20"),
                *skipped,
            ],
            capture_output=True,
            text=True,
            env={**clean_environment(tmp_path), **HOOKS},
            cwd=tmp_path,
            timeout=240,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        status, _ = server.call("GET", "auth/token/lookup-self")
        assert status == 200, "the run lost its token, and was refused from then on"
        assert FAILED.findall(server.log.read_text()) == []
