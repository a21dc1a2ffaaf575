// One review on the page: what was written into it, and its mirror in localStorage.

const mirrorKey = (review) => `review-mirror:${review}`;

export class Card {
  constructor(element) {
    this.element = element;
    this.isEmpty = "empty" in element.dataset;
    this.review = Number(element.dataset.review);
    this.version = Number(element.dataset.version);
    this.isGold = element.dataset.gold === "true";
    this.ranking = (element.dataset.ranking || "").split(",").filter(Boolean).map(Number);
    this.activeMs = Number(element.dataset.active || 0);
    this.unit = null;
    this.view = "rendered";
    if (!this.isEmpty) this.saved = this.fingerprint();
  }

  static parse(html) {
    const template = document.createElement("template");
    template.innerHTML = html;
    return new Card(template.content.querySelector("article"));
  }

  all(selector) {
    return [...this.element.querySelectorAll(selector)];
  }

  answer(side) {
    return this.element.querySelector(`.answer[data-side="${side}"]`);
  }

  get sides() {
    return this.all(".answer").map((one) => Number(one.dataset.side));
  }

  original(side) {
    return this.answer(side).querySelector(".body > .raw").textContent;
  }

  field(side) {
    return this.answer(side).querySelector("[data-edit]");
  }

  isCorrected(side) {
    return this.field(side).value !== this.original(side);
  }

  get corrected() {
    return this.sides.filter((side) => this.isCorrected(side));
  }

  content() {
    const edits = {};
    for (const side of this.corrected) edits[side] = this.field(side).value;
    return {
      edits,
      note: this.element.querySelector("[data-note]").value,
      tags: this.all("[data-tag]:checked").map((one) => one.value),
      is_gold: this.isGold,
      ranking: this.ranking.length ? this.ranking : null,
    };
  }

  fingerprint() {
    return JSON.stringify(this.content());
  }

  get isChanged() {
    return this.fingerprint() !== this.saved;
  }

  get isBlank() {
    const { edits, note, tags, is_gold, ranking } = this.content();
    return !Object.keys(edits).length && !note && !tags.length && !is_gold && !ranking;
  }

  body() {
    return { ...this.content(), version: this.version, active_ms: Math.round(this.activeMs) };
  }

  // Every key stroke: the text survives a crash before the autosave.
  mirror() {
    const kept = { ...this.content(), version: this.version };
    try {
      localStorage.setItem(mirrorKey(this.review), JSON.stringify(kept));
    } catch { /* full: the autosave comes in a moment */ }
  }

  forget() {
    localStorage.removeItem(mirrorKey(this.review));
  }

  // Bring back what was written and never arrived; tell whether there was anything.
  restore() {
    const kept = JSON.parse(localStorage.getItem(mirrorKey(this.review)) || "null");
    if (!kept) return false;
    this.fill(kept);
    // If the stored one is newer, the server says so and both are shown.
    if (this.isChanged) this.version = kept.version;
    return this.isChanged;
  }

  fill(content) {
    for (const [side, text] of Object.entries(content.edits || {})) {
      if (!this.answer(side)) continue;
      this.field(side).value = text;
      this.answer(side).querySelector(".editor").hidden = false;
    }
    const note = this.element.querySelector("[data-note]");
    note.value = content.note || "";
    if (note.value) note.parentElement.hidden = false;
    for (const box of this.all("[data-tag]")) box.checked = (content.tags || []).includes(box.value);
    this.isGold = Boolean(content.is_gold);
    this.ranking = content.ranking || [];
    this.refresh();
  }

  refresh() {
    for (const side of this.sides) {
      const answer = this.answer(side);
      answer.querySelector(".corrected").hidden = !this.isCorrected(side);
      const place = this.ranking.indexOf(side);
      answer.classList.toggle("first-place", place === 0);
      const rank = answer.querySelector(".rank");
      if (rank) rank.textContent = place < 0 ? "place it" : `place ${place + 1}`;
    }
  }

  edit(side) {
    const answer = this.answer(side);
    if (!answer) return;
    answer.querySelector(".editor").hidden = false;
    const field = this.field(side);
    field.focus();
    field.setSelectionRange(0, 0);
    field.scrollIntoView({ block: "nearest" });
  }

  revert(side) {
    this.field(side).value = this.original(side);
    this.answer(side).querySelector(".editor").hidden = true;
    this.refresh();
  }

  place(side) {
    if (side >= this.sides.length) return;
    this.ranking = this.ranking.includes(side)
      ? this.ranking.filter((one) => one !== side)
      : [...this.ranking, side];
    this.refresh();
  }

  showNote() {
    const note = this.element.querySelector("[data-note]");
    note.parentElement.hidden = false;
    note.focus();
  }

  // Rendered, then JSON as a tree, then raw.
  nextView() {
    const trees = this.all(".as-tree");
    const views = trees.length ? ["rendered", "tree", "raw"] : ["rendered", "raw"];
    this.view = views[(views.indexOf(this.view) + 1) % views.length];
    const isRaw = this.view === "raw", isTree = this.view === "tree";
    for (const raw of this.all(".turn > .raw, .body > .raw")) raw.hidden = !isRaw;
    for (const text of this.all(".rendered")) {
      text.hidden = isRaw || (isTree && Boolean(text.parentElement.querySelector(".as-tree")));
    }
    for (const tree of trees) {
      tree.hidden = isRaw;
      tree.open = isTree;
    }
    return this.view;
  }
}
