// Polling that rests while nobody looks, and the keys. Pages work without both.
const TEXT = "input, textarea, select, [contenteditable]";
const fresh = document.querySelector("#fresh");

function polled() {
  // An open box would be shut by what comes; an ended batch changes no more.
  const parts = [...document.querySelectorAll("[data-poll]")];
  return parts.filter((part) => !part.querySelector("details[open], [data-ended]"));
}

let seconds = 0;
setInterval(() => {
  if (document.hidden || !window.htmx) return;
  seconds += 1;
  for (const part of polled()) {
    if (seconds % Number(part.dataset.poll) === 0) window.htmx.trigger(part, "poll");
  }
}, 1000);
document.addEventListener("visibilitychange", () => {
  if (document.hidden || !window.htmx) return;
  for (const part of polled()) window.htmx.trigger(part, "poll");
});

let askedAt = Date.now();
document.addEventListener("htmx:afterRequest", (event) => {
  if (event.detail.successful) {
    askedAt = Date.now();
    fresh.hidden = true;
    return;
  }
  const ago = Math.round((Date.now() - askedAt) / 1000);
  fresh.textContent = `Not up to date: no answer for ${ago} s`;
  fresh.hidden = false;
});
// Signed out meanwhile: a part of a page must not show the sign-in form.
document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.xhr.responseURL.includes("/login/")) {
    event.detail.shouldSwap = false;
    location.reload();
  }
});

const help = document.querySelector("#help");
document.querySelector("[data-help]")?.addEventListener("click", () => help.showModal());

function move(step) {
  const rows = [...document.querySelectorAll("[data-row]")];
  const at = rows.findIndex((row) => row.contains(document.activeElement));
  const next = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? 0 : at + step))];
  const target = next?.querySelector("[data-open]");
  target?.focus();
  next?.scrollIntoView({ block: "nearest" });
}

const ACTIONS = {
  "/": () => document.querySelector("[data-search]")?.focus(),
  j: () => move(1),
  k: () => move(-1),
  r: () => document.activeElement.closest("[data-row]")?.querySelector("[data-raw] summary")?.click(),
  "?": () => help.showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  if (event.target.closest(TEXT)) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const link = document.querySelector(`.places a[data-key="${CSS.escape(event.key)}"]`);
  const act = ACTIONS[event.key] ?? (link && (() => link.click()));
  if (!act) return;
  event.preventDefault();
  act();
});
