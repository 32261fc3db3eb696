"""A server in a process of its own, as people start it."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

CONFIG = """
storage "inmem" {{}}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_disable = true
}}
api_addr = "http://127.0.0.1:{port}"
disable_mlock = true
"""


def free_port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_server(kind: str, folder: Path, env: dict[str, str], *more: str) -> Iterator[str]:
    """Its address. One of the kind "dev" has the root token "root", one that is "plain" is not initialized.

    `more` are flags.
    """
    port = free_port()
    words = ["server", "-dev", "-dev-root-token-id=root", f"-dev-listen-address=127.0.0.1:{port}"]
    if kind == "plain":
        (folder / "config.hcl").write_text(CONFIG.format(port=port))
        words = ["server", f"-config={folder / 'config.hcl'}"]
    command = [sys.executable, "-m", "strongroom.cli.main", *words, *more]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env) as process:
        assert process.stdout is not None
        said = []
        try:
            for line in process.stdout:
                said.append(line)
                if "server started!" in line:
                    break
            else:
                pytest.fail("the server did not start:\n" + "".join(said))
            drain = threading.Thread(target=process.stdout.read)
            drain.start()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            if len(said) and "server started!" in said[-1]:
                drain.join()
