"""What settings of a configuration file do to a real server, and what it says of those that do nothing yet."""

from __future__ import annotations

import pathlib

from tests.support.process import running

CONFIG = """\
storage "sqlite" {
  path = "{dir}/var/lib/strongroom"
}
listener "tcp" {
  address = "127.0.0.1:{port}"
  tls_disable = true
}
disable_mlock = true
log_requests_level = "info"
unsafe_allow_api_audit_creation = false
ui = true
"""


def test_settings_are_acted_on_or_warned_about(tmp_path: pathlib.Path) -> None:
    with running(tmp_path, CONFIG) as server:
        server.unseal(server.init())
        assert (tmp_path / "var/lib/strongroom/strongroom.db").is_file()
        status, body = server.call("PUT", "sys/audit/a", {"type": "file", "options": {"file_path": "discard"}})
        assert (status, "unsafe_allow_api_audit_creation" in body["errors"][0]) == (400, True)
    log = server.log.read_text()
    assert "[WARN]  core: ui is understood, but has no effect yet: " in log
    assert ": update sys/audit/a from 127.0.0.1: status 400 in " in log
