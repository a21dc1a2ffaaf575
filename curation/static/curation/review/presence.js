// Time spent on a card, the leases' heartbeat, and what to do when the page is left.

const IDLE_MS = 60_000;

export function watch({ leaseSeconds, spend, keep, leave }) {
  let seenAt = Date.now();
  for (const sign of ["pointermove", "scroll", "keydown"]) {
    addEventListener(sign, () => { seenAt = Date.now(); }, { passive: true });
  }
  setInterval(() => {
    if (!document.hidden && Date.now() - seenAt < IDLE_MS) spend(1000);
  }, 1000);
  setInterval(keep, Math.max(3, leaseSeconds / 3) * 1000);
  addEventListener("pagehide", leave);
}
