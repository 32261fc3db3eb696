"""The page on which somebody logs in for a tool: where an OpenID provider's authorization_endpoint leads a browser.

It is the same for everybody and holds nothing: its script reads the tool's request from the address, logs in at the
API, and sends the browser back to the tool with what `authorize` answers. A token that it has logged in for is revoked
again at once. Nothing but its own script and style, known by their hashes, runs on it, and no page may frame it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from typing import Final

from strongroom.server.answer import Answer, HeaderList

_PATH: Final = re.compile(r"/ui/vault/identity/oidc/provider/\w(?:[\w.-]*\w)?/authorize", re.ASCII)

STYLE: Final = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 24rem; margin: 4rem auto; padding: 0 1rem }
label { display: block; margin: .75rem 0 }
input, select, button { font: inherit; width: 100%; box-sizing: border-box; padding: .4rem }
[role=alert] { color: #a00 }
[hidden] { display: none }
"""

SCRIPT: Final = r"""
"use strict";
{
const asked = new URLSearchParams(location.search);
const provider = location.pathname.split("/").at(-2);
const part = name => document.getElementById(name);
const by = part("by"), form = part("form"), said = part("alert"), back = part("back");
// What the server says before it has seen that the address is the tool's own is for the reader alone.
const ours = ["invalid_client_id", "invalid_redirect_uri", "invalid_request", "max_age_violation"];
let waiting = null;

part("tool").textContent = asked.get("client_id") || "";

async function call(path, body, token) {
  const headers = { "Content-Type": "application/json", "X-Vault-Request": "true" };
  if (token) headers["X-Vault-Token"] = token;
  const answer = await fetch("/v1/" + path, { method: "POST", headers, body: JSON.stringify(body), cache: "no-store" });
  const text = await answer.text();
  const value = text ? JSON.parse(text) : {};
  if (value.errors) throw new Error(value.errors.join(", ") || "status " + answer.status);
  return value;
}

function leading(parameters) {
  const target = new URL(asked.get("redirect_uri"));
  if (["javascript:", "data:", "blob:", "vbscript:"].includes(target.protocol)) throw new Error("redirect_uri");
  for (const [name, value] of Object.entries(parameters)) if (value) target.searchParams.set(name, value);
  return target.href;
}

async function second(auth) {
  const need = auth && auth.mfa_requirement;
  if (!need) return auth.client_token;
  waiting = need;
  part("passcode").hidden = false;
  part("code").focus();
  throw new Error("Type the passcode of your second factor.");
}

async function token() {
  if (waiting) {
    const payload = {};
    for (const { any } of Object.values(waiting.mfa_constraints)) payload[any[0].id] = [part("code").value];
    const request = { mfa_request_id: waiting.mfa_request_id, mfa_payload: payload };
    return (await call("sys/mfa/validate", request)).auth.client_token;
  }
  if (by.value === "token") return part("secret").value;
  const mount = part("mount").value.split("/").map(encodeURIComponent).join("/");
  const user = encodeURIComponent(part("user").value);
  return second((await call(`auth/${mount}/login/${user}`, { password: part("secret").value })).auth);
}

function show() {
  const named = by.value !== "token";
  for (const name of ["mounted", "named"]) part(name).hidden = !named;
  part("what").textContent = named ? "Password" : "Token";
}
by.addEventListener("change", show);
show();

form.addEventListener("submit", async event => {
  event.preventDefault();
  said.textContent = "";
  back.hidden = true;
  try {
    const own = by.value !== "token", held = await token();
    waiting = null;
    part("passcode").hidden = true;
    let answer;
    try {
      answer = await call(`identity/oidc/provider/${provider}/authorize`, Object.fromEntries(asked), held);
    } finally {
      if (own) await call("auth/token/revoke-self", {}, held).catch(() => {});
    }
    if (answer.code) return location.replace(leading({ code: answer.code, state: answer.state }));
    said.textContent = answer.error_description;
    if (!ours.includes(answer.error)) {
      back.href = leading({ error: answer.error, error_description: answer.error_description, state: answer.state });
      back.hidden = false;
    }
  } catch (error) {
    said.textContent = error.message;
  }
});
}
"""

_BODY: Final = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Log in - Strongroom</title>
<style>%s</style>
</head>
<body>
<h1>Log in</h1>
<p>The tool with the client id <code id="tool"></code> asks who you are.</p>
<form id="form">
<label>With <select id="by"><option value="userpass">Username and password</option>
<option value="token">Token</option></select></label>
<label id="mounted">Method's path <input id="mount" value="userpass"></label>
<label id="named">Username <input id="user" autocomplete="username"></label>
<label><span id="what">Password</span>
<input id="secret" type="password" required autocomplete="current-password"></label>
<label id="passcode" hidden>Passcode <input id="code" inputmode="numeric" autocomplete="one-time-code"></label>
<p id="alert" role="alert"></p>
<button>Log in</button>
</form>
<p><a id="back" hidden>Back to the tool</a></p>
<script>%s</script>
</body>
</html>
"""

PAGE: Final = (_BODY % (STYLE, SCRIPT)).encode()


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


POLICY: Final = (
    f"default-src 'none'; script-src {_source(SCRIPT)}; style-src {_source(STYLE)}; connect-src 'self'; "
    "form-action 'none'; frame-ancestors 'none'; base-uri 'none'"
)
_HEADERS: Final[HeaderList] = (
    ("content-type", "text/html; charset=utf-8"),
    ("content-security-policy", POLICY),
    ("referrer-policy", "no-referrer"),
    ("x-content-type-options", "nosniff"),
)


async def consent(method: str, path: str) -> Answer | None:
    """The page, where it is asked for; None elsewhere."""
    if method not in ("GET", "HEAD") or not _PATH.fullmatch(path):
        return None
    return Answer(200, _HEADERS, PAGE if method == "GET" else b"")
