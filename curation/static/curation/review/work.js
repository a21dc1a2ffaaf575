// The review page. One card is on the stage, two more are fetched ahead; a verdict goes
// to the outbox and the next card is there at once.
import { Card } from "./card.js";
import { listen } from "./keys.js";
import { Outbox, newId } from "./outbox.js";
import { countOne, merge, pending, status, toast } from "./panels.js";
import { watch } from "./presence.js";
import { Away, ask, beacon } from "./server.js";

const settings = JSON.parse(document.getElementById("settings").textContent);
const { queue, reviews } = settings.urls;
const stage = document.getElementById("stage");
const bar = document.querySelector(".bar");
const AHEAD = 2, AUTOSAVE_MS = 800;

let current = null;
let ready = [];
let decided = []; // cards of this tab whose verdicts are given, newest last
let fetching = null;
let autosave;

const outbox = new Outbox(settings.user, {
  state(state, text, entries) {
    status(state, text);
    pending(entries);
  },
  saved(entry, answer) {
    for (const card of [current, ...ready]) {
      if (card?.review !== entry.review) continue;
      card.version = answer.version;
      if (!card.isChanged && !outbox.reviews.includes(card.review)) card.forget();
    }
    if (entry.kind !== "submit") return;
    if (answer.is_decided) countOne();
    localStorage.removeItem(`review-mirror:${entry.review}`);
    document.body.dispatchEvent(new Event("review-saved"));
  },
  refused(entry, code, answer) {
    resolve(entry, code, answer);
  },
});

const contentOf = ({ edits, note, tags, is_gold, ranking }) => ({ edits, note, tags, is_gold, ranking });

// --- cards ------------------------------------------------------------------------

async function fetchCard() {
  const besides = held().map((one) => one.review);
  const response = await ask(`${queue}next`, { besides: [...besides, ...outbox.reviews] });
  return Card.parse(await response.text());
}

// Fetch ahead, one at a time; resolves to the last card fetched, null if there is none.
function fill() {
  fetching ||= (async () => {
    while (!current || current.isEmpty || ready.length < AHEAD) {
      const card = await fetchCard();
      if (card.isEmpty) {
        // What waits to be saved still counts as held: there may be more after it.
        if (outbox.reviews.length) {
          if (await outbox.settle()) continue;
          throw new Away("Saves are waiting");
        }
        if (!current) show(card);
        return;
      }
      if (!current || current.isEmpty) show(card);
      else if (!held().some((one) => one.review === card.review)) ready.push(card);
    }
  })().catch((error) => {
    if (!(error instanceof Away)) throw error;
    if (!current) wait(`${error.message}. The next one comes as soon as it is back.`);
    setTimeout(fill, 3000);
  }).finally(() => { fetching = null; });
  return fetching;
}

function wait(text) {
  const line = document.createElement("p");
  line.className = "muted waiting";
  line.textContent = text;
  stage.replaceChildren(line);
  bar.hidden = true;
}

function show(card) {
  current = card;
  stage.replaceChildren(card.element);
  bar.hidden = card.isEmpty;
  if (card.isEmpty) return;
  if (card.restore()) {
    toast("Your unsaved text is back.");
    save();
  }
  card.refresh();
  press("gold", card.isGold);
  press("raw", card.view !== "rendered");
  press("diff", false);
  scrollTo({ top: 0 });
}

function advance() {
  current = null;
  if (ready.length) show(ready.shift());
  else wait("Fetching the next one…");
  fill();
}

const press = (name, isOn) => bar.querySelector(`[data-do="${name}"]`)?.setAttribute("aria-pressed", String(isOn));

// --- saving -----------------------------------------------------------------------

function save() {
  clearTimeout(autosave);
  if (!current || current.isEmpty || !current.isChanged) return;
  const body = { ...current.body(), mutation_id: newId() };
  current.saved = JSON.stringify(contentOf(body));
  outbox.add({ kind: "draft", review: current.review, url: `${reviews}${current.review}/draft`, body });
}

function touched() {
  current.mirror();
  current.refresh();
  clearTimeout(autosave);
  autosave = setTimeout(save, AUTOSAVE_MS);
}

function commit(outcome, side = null) {
  if (!current || current.isEmpty) return;
  clearTimeout(autosave);
  const card = current;
  const body = { ...card.body(), outcome, side, mutation_id: newId() };
  decided = [...decided, card].slice(-10);
  outbox.add({ kind: "submit", review: card.review, url: `${reviews}${card.review}/submit`, body });
  advance();
}

async function undo(review = null) {
  const last = decided.at(-1);
  if (!review && last && outbox.recall(last.review)) {
    decided.pop();
    putBack(last);
    toast("Taken back.");
    return;
  }
  if (!(await outbox.settle())) return toast("Undo needs the connection. Your decision waits here.");
  const id = review ?? document.querySelector("#rail [data-do=undo-one]")?.dataset.review ?? last?.review;
  if (!id) return toast("There is nothing to undo.");
  try {
    const response = await ask(`${reviews}${id}/undo`, { mutation_id: newId() });
    decided = decided.filter((card) => card.review !== Number(id));
    putBack(Card.parse(await response.text()));
    document.body.dispatchEvent(new Event("review-saved"));
    toast("Taken back.");
  } catch (error) {
    if (!(error instanceof Away)) throw error;
    toast(error.message);
  }
}

function putBack(card) {
  save();
  if (current && !current.isEmpty) ready.unshift(current);
  show(card);
}

// --- what the server refused ------------------------------------------------------

async function resolve(entry, code, answer) {
  const link = `${reviews}${entry.review}/`;
  if (code !== 409 || !answer.merge) {
    if (answer.status === "draft") localStorage.removeItem(`review-mirror:${entry.review}`);
    else status("refused", "A save was refused");
    return toast(answer.error?.message ?? "The server refused a save.", link);
  }
  const content = contentOf(entry.body);
  const chosen = await merge(answer, content);
  localStorage.removeItem(`review-mirror:${entry.review}`);
  localStorage.removeItem(`review-refused:${entry.review}`);
  if (current?.review === entry.review) current = null;
  ready = ready.filter((card) => card.review !== entry.review);
  if (answer.status === "draft") await reopen(entry.review, chosen);
  else if (chosen && answer.status === "submitted") await retract(entry.review, chosen);
  if (!current) advance();
}

async function reopen(review, chosen) {
  const response = await fetch(`${reviews}${review}/`, { headers: { "HX-Request": "true" } });
  goOnWith(Card.parse(await response.text()), chosen);
}

async function retract(review, chosen) {
  const response = await ask(`${reviews}${review}/undo`, { mutation_id: newId() });
  goOnWith(Card.parse(await response.text()), chosen);
}

function goOnWith(card, chosen) {
  putBack(card);
  if (!chosen) return;
  card.fill(chosen);
  press("gold", card.isGold);
  card.mirror();
  save();
}

// --- actions ----------------------------------------------------------------------

function differences(side = null) {
  const box = current.element.querySelector(".difference");
  const units = { null: "word", word: "line", line: null };
  current.unit = side === null ? units[current.unit] : "word";
  press("diff", Boolean(current.unit));
  if (!current.unit) { box.hidden = true; return; }
  const which = side ?? (current.corrected.length ? current.corrected[0] : null);
  if (which === null && current.sides.length < 2) { current.unit = null; return toast("Nothing is corrected yet."); }
  save();
  const query = new URLSearchParams({ unit: current.unit, ...(which === null ? {} : { side: which }) });
  const card = current;
  outbox.settle().then(() => {
    box.hidden = false;
    return htmx.ajax("GET", `${reviews}${card.review}/differences?${query}`, { target: box, swap: "innerHTML" });
  });
}

function saveCorrection(target) {
  const inside = target?.closest?.(".answer");
  const side = inside ? Number(inside.dataset.side) : current.corrected[0];
  if (settings.mode === "rank") return commitRanking();
  if (side === undefined || !current.isCorrected(side)) return toast("Nothing is corrected; choose a verdict.");
  commit("win", side);
}

function commitRanking() {
  if (current.ranking.length < current.sides.length) return toast("Place every answer first.");
  commit("win", current.ranking[0]);
}

const actions = {
  first: () => commit("win", 0),
  second: () => commit("win", 1),
  tie: () => commit("tie"),
  bad: () => commit("both_bad"),
  skip: () => commit("skip"),
  flag: () => commit("flag"),
  commit: commitRanking,
  rank: (target, key) => { current.place(key ? Number(key) - 1 : Number(target.dataset.side)); touched(); },
  unrank: () => { current.ranking = []; touched(); },
  gold: () => { current.isGold = !current.isGold; press("gold", current.isGold); touched(); },
  edit: (target) => current.edit(target?.dataset?.side ?? 0),
  edit_second: () => current.edit(1),
  save: saveCorrection,
  leave: (target) => target.blur(),
  compare: (target) => differences(Number(target.dataset.side)),
  revert: (target) => { current.revert(target.dataset.side); touched(); },
  diff: () => differences(),
  raw: () => press("raw", current.nextView() !== "rendered"),
  note: () => current.showNote(),
};
// These need no card.
const always = {
  undo: () => undo(),
  "undo-one": (target) => undo(target.dataset.review),
  again: () => { current = null; fill(); },
  help: () => document.getElementById("help").showModal(),
};

function act(name, target, key) {
  if (always[name]) always[name](target, key);
  else if (current && !current.isEmpty) actions[name]?.(target, key);
}

listen(settings.keys, (name, target, key) => act(name, name === "edit" ? null : target, key));
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button && !button.closest("#merge")) act(button.dataset.do, button);
});
stage.addEventListener("input", touched);
stage.addEventListener("focusout", save);

// --- start ------------------------------------------------------------------------

const held = () => [current, ...ready].filter((one) => one && !one.isEmpty);
watch({
  leaseSeconds: settings.lease_seconds,
  spend: (ms) => { if (current && !current.isEmpty) current.activeMs += ms; },
  keep: () => {
    const ids = held().map((one) => one.review);
    if (ids.length) ask(`${queue}heartbeat`, { reviews: ids }).catch(() => {});
  },
  leave: () => {
    save();
    const blank = held().filter((one) => one.isBlank && !outbox.reviews.includes(one.review));
    if (blank.length) beacon(`${queue}release`, blank.map((one) => one.review));
  },
});

const given = stage.querySelector("article[data-review]");
if (given?.dataset.status === "draft") show(new Card(given));
// One that is decided is only to be looked at.
if (!given || current) outbox.send().then(fill);
