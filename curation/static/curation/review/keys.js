// Turn keys into actions. The table comes from the server (keymap.py), so that the keys,
// the help sheet and the documentation are the same.

const TEXT = "textarea, select, [contenteditable], input:not([type=checkbox])";

export function listen(table, act) {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || event.isComposing || event.repeat) return;
    const isText = event.target.closest?.(TEXT);
    const isDialog = document.querySelector("dialog[open]");
    if (isDialog) return;
    const isChord = event.ctrlKey || event.metaKey;
    if (event.altKey || (isChord && event.key !== "Enter")) return;
    // Enter and space press the button they are on.
    if (event.target.closest?.("button, a, summary") && ["Enter", " "].includes(event.key) && !isChord) return;
    const name = isChord ? `Control+${event.key}` : event.key;
    const found = table.find((one) => one.keys.includes(name) && (!isText || one.in_text));
    if (!found) return;
    event.preventDefault();
    act(found.action, event.target, name);
  });
}
