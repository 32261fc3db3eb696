
"use strict";
{
const part = id => document.getElementById(id);
const form = part("form"), by = part("by"), factors = part("factors"), button = part("button");
const alert = part("alert"), back = part("back");
const provider = location.pathname.split("/").at(-2);
// What the server says before it has seen that the address is the tool's own is for the reader alone.
const ours = ["invalid_client_id", "invalid_redirect_uri", "invalid_request", "max_age_violation"];
const asked = Object.create(null);
// The login that waits for its second factor, as the server described it.
let waiting = null;

async function call(path, body, token) {
  const headers = { "Content-Type": "application/json", "X-Vault-Request": "true" };
  if (token) headers["X-Vault-Token"] = token;
  const answer = await fetch("/v1/" + path, { method: "POST", headers, body: JSON.stringify(body), cache: "no-store" });
  const text = await answer.text();
  let value = {};
  try {
    if (text) value = JSON.parse(text);
  } catch {
    throw new Error("No answer from the server (" + answer.status + ").");
  }
  if (value.errors) throw new Error(told(value.errors.join(", ")) || "The server says no (" + answer.status + ").");
  return value;
}

// Of several errors at once the first, which says what was wrong; the others say what that led to.
function told(text) {
  const first = text.match(/^\s*\* (.*)$/m);
  return first ? first[1] : text;
}

function target() {
  const address = new URL(asked.redirect_uri);
  if (["javascript:", "data:", "blob:", "vbscript:"].includes(address.protocol)) throw new Error("redirect_uri");
  return address;
}

function leading(parameters) {
  const address = target();
  for (const [name, value] of Object.entries(parameters)) if (value) address.searchParams.set(name, value);
  return address.href;
}

// -- The second factor

function labelled(text, field) {
  const label = document.createElement("label");
  label.append(text + " ", field);
  return label;
}

function demand(need) {
  waiting = need;
  factors.replaceChildren();
  const demands = Object.entries(need.mfa_constraints);
  for (const [enforcement, { any }] of demands) {
    const which = demands.length > 1 ? " for " + enforcement : "";
    const methods = document.createElement("select"), code = document.createElement("input");
    for (const { id, name, type } of any) methods.append(new Option(name || type, id));
    if (any.length > 1) factors.append(labelled("Second factor" + which, methods));
    Object.assign(code, { inputMode: "numeric", autocomplete: "one-time-code", required: true });
    factors.append(labelled("Passcode" + which, code));
    code.choice = methods;
  }
  ask("Type the passcode of your second factor.");
}

function ask(text) {
  const codes = factors.querySelectorAll("input");
  for (const code of codes) code.value = "";
  if (codes.length) codes[0].focus();
  throw new Error(text);
}

function startAnew() {
  waiting = null;
  factors.replaceChildren();
}

async function validated() {
  const payload = {};
  for (const code of factors.querySelectorAll("input")) {
    const id = code.choice.value;
    payload[id] = [...(payload[id] || []), code.value];
  }
  const request = { mfa_request_id: waiting.mfa_request_id, mfa_payload: payload };
  try {
    return (await call("sys/mfa/validate", request)).auth;
  } catch (error) {
    if (error.message !== "invalid request ID") ask(error.message);
    startAnew();
    throw new Error("That took too long. Log in again.");
  }
}

// -- Logging in

async function token() {
  if (by.value === "token") return part("secret").value;
  let auth;
  if (waiting) {
    auth = await validated();
  } else {
    const mount = part("mount").value.split("/").filter(Boolean).map(encodeURIComponent).join("/");
    const user = encodeURIComponent(part("user").value);
    auth = (await call(`auth/${mount}/login/${user}`, { password: part("secret").value })).auth;
  }
  if (auth && auth.mfa_requirement) demand(auth.mfa_requirement);
  if (!auth || !auth.client_token) throw new Error("Nobody logs in there.");
  return auth.client_token;
}

async function logIn() {
  const own = by.value !== "token", held = await token();
  startAnew();
  let answer;
  try {
    answer = await call(`identity/oidc/provider/${provider}/authorize`, asked, held);
  } finally {
    if (own) await call("auth/token/revoke-self", {}, held).catch(() => {});
  }
  if (answer.code) {
    form.reset();
    form.hidden = true;
    part("done").textContent = "You are logged in. If the tool does not come back by itself, this page can be closed.";
    location.replace(leading({ code: answer.code, state: answer.state }));
    return;
  }
  alert.textContent = answer.error_description;
  if (!ours.includes(answer.error)) {
    back.href = leading({ error: answer.error, error_description: answer.error_description, state: answer.state });
    back.hidden = false;
  }
}

function show() {
  const named = by.value !== "token";
  for (const [label, field] of [["mounted", "mount"], ["named", "user"]]) {
    part(label).hidden = !named;
    part(field).required = named;
  }
  part("what").textContent = named ? "Password" : "Token";
}

form.addEventListener("submit", async event => {
  event.preventDefault();
  alert.textContent = "";
  back.hidden = true;
  button.disabled = true;
  try {
    await logIn();
  } catch (error) {
    alert.textContent = error.message;
  } finally {
    button.disabled = false;
  }
});
for (const id of ["by", "mount", "user", "secret"]) part(id).addEventListener("input", startAnew);
by.addEventListener("change", show);

// -- What the tool asks

function read() {
  for (const [name, value] of new URLSearchParams(location.search)) {
    // Twice the same could mean one thing to the server, which judges it, and another here, where it is followed.
    if (name in asked) throw new Error("The tool's request is not valid: it has " + name + " twice.");
    asked[name] = value;
  }
  part("tool").textContent = asked.client_id || "";
  let address;
  try {
    address = target();
  } catch {
    throw new Error("The tool's request is not valid: it does not say where it gets its answer.");
  }
  part("where").textContent = address.host || address.protocol;
}

try {
  read();
  part("about").hidden = form.hidden = false;
  show();
  part("user").focus();
} catch (error) {
  alert.textContent = error.message;
}
}
