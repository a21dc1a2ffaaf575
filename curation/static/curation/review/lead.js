// The keys of the page where a lead decides. Each presses a button that is there.
import { listen } from "./keys.js";

const table = JSON.parse(document.getElementById("keys").textContent);
const press = (key) => document.querySelector(`[data-key="${key}"]`)?.click();

const actions = {
  choose: (target, key) => press(key),
  none: () => press("0"),
  gold: () => document.querySelector("[name=is_gold]").click(),
  leave: (target) => target.blur(),
};

listen(table, (name, target, key) => actions[name](target, key));
