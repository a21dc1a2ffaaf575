// Status line, toast, and the dialog for a review that was changed elsewhere.

const by = (id) => document.getElementById(id);

export function status(state, text) {
  by("status").dataset.state = state;
  if (by("status-text").textContent !== text) by("status-text").textContent = text;
}

let timer;
export function toast(text, link) {
  const box = by("toast");
  box.textContent = text;
  if (link) {
    const anchor = document.createElement("a");
    anchor.href = link;
    anchor.textContent = " Show it";
    box.append(anchor);
  }
  box.hidden = false;
  clearTimeout(timer);
  timer = setTimeout(() => { box.hidden = true; }, 6000);
}

export function pending(entries) {
  const box = by("pending");
  box.replaceChildren();
  const verdicts = entries.filter((entry) => entry.kind === "submit");
  if (!verdicts.length) return;
  const line = document.createElement("p");
  line.textContent = verdicts.length === 1
    ? "1 decision is on its way" : `${verdicts.length} decisions are on their way`;
  box.append(line);
}

for (const failure of ["htmx:sendError", "htmx:responseError"]) {
  document.addEventListener(failure, () => toast("This could not be fetched. Try again in a moment."));
}

export function countOne() {
  const meter = document.querySelector("#progress progress");
  meter.value += 1;
  document.querySelector("#progress b").textContent = String(meter.value);
}

// Show yours beside the stored one; resolve to what to go on with, null for the stored.
export function merge(answer, content) {
  const dialog = by("merge");
  dialog.innerHTML = answer.merge;
  dialog.showModal();
  return new Promise((resolve) => {
    const settle = (result) => {
      dialog.close();
      resolve(result);
    };
    dialog.oncancel = (event) => event.preventDefault();
    dialog.onclick = (event) => {
      const button = event.target.closest("button");
      if (button?.dataset.do === "take") {
        const section = button.closest(".merge-side");
        section.querySelector("textarea").value = section.querySelector("pre").textContent;
      } else if (button?.dataset.do === "merge-theirs") {
        settle(null);
      } else if (button?.dataset.do === "merge-mine") {
        settle(merged(dialog, content));
      }
    };
  });
}

function merged(dialog, content) {
  const edits = { ...content.edits };
  for (const field of dialog.querySelectorAll("[data-merge]")) edits[field.dataset.merge] = field.value;
  const note = dialog.querySelector("[data-merge-note]");
  return { ...content, edits, note: note ? note.value : content.note };
}
