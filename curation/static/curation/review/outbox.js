// Saves on their way to the server. They lie in localStorage until the server has them:
// a lost connection, a reload or a closed tab loses nothing. Each has a mutation id, so
// sending one twice does no harm.

const STALE_MS = 20_000;
const PAUSES = [1000, 2000, 4000, 8000, 15_000, 30_000];

export const newId = () => {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return Array.from(bytes, (one) => one.toString(16).padStart(2, "0")).join("");
};

export const token = () => {
  const cookie = document.cookie.match(/(?:^|; )csrftoken=([^;]+)/);
  return cookie ? cookie[1] : document.querySelector("meta[name=csrf-token]").content;
};

export class Outbox {
  // `on` has state(state, text, entries), saved(entry, answer), refused(entry, status, answer).
  constructor(user, on) {
    this.prefix = `review-outbox:${user}:`;
    this.on = on;
    this.tab = sessionStorage.getItem("review-tab") || newId();
    sessionStorage.setItem("review-tab", this.tab);
    this.tries = 0;
    this.isSending = false;
    this.refused = 0;
    this.beat();
    setInterval(() => this.beat(), STALE_MS / 4);
    addEventListener("online", () => this.send());
  }

  // What other tabs left behind is sent by whoever comes next.
  beat() {
    localStorage.setItem(`review-alive:${this.tab}`, String(Date.now()));
    for (const key of Object.keys(localStorage)) {
      if (!key.startsWith(this.prefix)) continue;
      const tab = key.slice(this.prefix.length);
      const alive = Number(localStorage.getItem(`review-alive:${tab}`) || 0);
      if (tab === this.tab || Date.now() - alive < STALE_MS) continue;
      const left = JSON.parse(localStorage.getItem(key) || "[]");
      localStorage.removeItem(key);
      localStorage.removeItem(`review-alive:${tab}`);
      this.write([...this.read(), ...left]);
      this.send();
    }
  }

  read() {
    return JSON.parse(localStorage.getItem(this.prefix + this.tab) || "[]");
  }

  write(entries) {
    try {
      localStorage.setItem(this.prefix + this.tab, JSON.stringify(entries));
    } catch {
      this.on.state("refused", "The browser's storage is full: keep this page open", entries);
    }
  }

  get reviews() {
    return this.read().map((entry) => entry.review);
  }

  // A newer draft replaces one that has not left yet; a verdict carries everything. What
  // was tried stays: the server may have it, and the next save builds on its version.
  add(entry) {
    const waiting = this.read().filter(
      (one) => one.review !== entry.review || one.kind !== "draft" || one.isTried,
    );
    this.write([...waiting, { ...entry, at: Date.now() }]);
    this.send();
  }

  // Take a verdict back that has not left yet.
  recall(review) {
    const entries = this.read();
    const entry = entries.find((one) => one.review === review && one.kind === "submit");
    if (!entry || entry.isTried) return null;
    this.write(entries.filter((one) => one !== entry));
    this.show();
    return entry;
  }

  async settle() {
    await this.send();
    return this.read().length === 0;
  }

  send() {
    clearTimeout(this.timer);
    this.sending ||= this.sendAll().finally(() => { this.sending = null; });
    return this.sending;
  }

  async sendAll() {
    for (let [entry] = this.read(); entry; [entry] = this.read()) {
      this.mark(entry, { isTried: true });
      this.show();
      const answer = await this.post(entry);
      if (answer === null) {
        this.tries += 1;
        this.show();
        const pause = PAUSES[Math.min(this.tries, PAUSES.length) - 1];
        this.timer = setTimeout(() => this.send(), pause);
        return;
      }
      this.tries = 0;
      this.finish(entry, answer);
    }
    this.show();
  }

  async post(entry) {
    let response;
    try {
      response = await fetch(entry.url, {
        method: "POST",
        headers: { "Content-Type": "application/json", "X-CSRFToken": token() },
        body: JSON.stringify(entry.body),
        signal: AbortSignal.timeout(20_000),
      });
    } catch {
      this.reason = "No connection";
      return null;
    }
    const isJson = (response.headers.get("Content-Type") || "").includes("json");
    if (response.redirected || !isJson) {
      this.reason = response.status >= 500 ? "The server has trouble" : "Sign in again in another tab";
      return null;
    }
    if (response.status >= 500 || response.status === 429) {
      this.reason = "The server has trouble";
      return null;
    }
    return { status: response.status, body: await response.json() };
  }

  finish(entry, { status, body }) {
    const rest = this.read().filter(
      (one) => one.body.mutation_id !== entry.body.mutation_id,
    );
    if (status < 300) {
      // What comes after builds on what was just stored.
      for (const one of rest) {
        if (one.review === entry.review) one.body.version = body.version;
      }
      this.write(rest);
      this.on.saved(entry, body);
      return;
    }
    // Kept aside: the page shows it, and it can still be found in the browser.
    localStorage.setItem(`review-refused:${entry.review}`, JSON.stringify(entry));
    this.write(rest.filter((one) => one.review !== entry.review));
    this.on.refused(entry, status, body);
  }

  mark(entry, changes) {
    this.write(
      this.read().map((one) =>
        one.body.mutation_id === entry.body.mutation_id ? { ...one, ...changes } : one),
    );
  }

  show() {
    const entries = this.read();
    const count = entries.length;
    if (!count) {
      const time = new Date().toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
      this.on.state("saved", `Saved ${time}`, []);
    } else if (this.tries) {
      const saves = count === 1 ? "1 save waits" : `${count} saves wait`;
      this.on.state("waiting", `${this.reason}: ${saves} here, nothing is lost`, entries);
    } else {
      this.on.state("saving", "Saving…", entries);
    }
  }
}
