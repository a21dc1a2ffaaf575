// Questions to the server that are asked now or not at all; saves go by the outbox.
import { token } from "./outbox.js";

export class Away extends Error {}

export async function ask(url, body) {
  let response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "Content-Type": "application/json", "X-CSRFToken": token() },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(20_000),
    });
  } catch {
    throw new Away("No connection");
  }
  if (response.redirected) throw new Away("Sign in again in another tab");
  if (!response.ok) throw new Away(await reason(response));
  return response;
}

async function reason(response) {
  try {
    return (await response.json()).error.message;
  } catch {
    return `The server answered ${response.status}`;
  }
}

export function beacon(url, reviews) {
  const form = new FormData();
  form.append("csrfmiddlewaretoken", token());
  for (const review of reviews) form.append("reviews", review);
  navigator.sendBeacon(url, form);
}
