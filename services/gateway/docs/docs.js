// docs.js -- shows /openapi.json, and sends each request that is tried with the caller's key, which never leaves memory.
"use strict";

const field = document.getElementById("key");
const whose = document.getElementById("whose");
const nobody = whose.textContent;
const TYPING_MS = 300;

// ---- the key, and whose it is ----

function say(words, state = "") {
  whose.textContent = words;
  whose.className = state;
}

function described(me) {
  const held = me.kind === "person" ? [...new Set(me.grounds.map((ground) => ground.office ?? ground.role))] : me.permissions;
  const where = me.organisation ? ` in ${me.organisation}` : "";
  return `${me.name}: ${me.kind === "person" ? "" : "may "}${held.join(", ")}${where}`;
}

async function introduce(key, signal) {
  try {
    const answer = await fetch("/v1/me", { headers: { Authorization: `Bearer ${key}` }, cache: "no-store", signal });
    const body = await answer.json();
    if (answer.ok) say(described(body), "known");
    else say(body.detail, "refused");
  } catch (error) {
    if (error.name !== "AbortError") say(`This key cannot be tried: ${error.message}`, "refused");
  }
}

let pause;
let asking = new AbortController();

field.addEventListener("input", () => {
  clearTimeout(pause);
  asking.abort();
  asking = new AbortController();
  const key = field.value.trim();
  say(key ? "…" : nobody);
  if (key) pause = setTimeout(introduce, TYPING_MS, key, asking.signal);
});

// ---- the API ----

function withKey(request) {
  const key = field.value.trim();
  if (key && new URL(request.url, location.href).origin === location.origin)
    request.headers.Authorization = `Bearer ${key}`;
  return request;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const followScheme = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followScheme);
followScheme();

const ui = SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#api",
  deepLinking: true,
  filter: true,
  docExpansion: "none",
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true,
  tryItOutEnabled: true,
  persistAuthorization: false,
  validatorUrl: null,
  requestInterceptor: withKey,
  onComplete() {
    document.getElementById("version").textContent = ui.specSelectors.info().get("version");
  },
});
