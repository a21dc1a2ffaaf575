"""Whatever a model writes, nothing of it runs, loads or leads astray."""

import pytest

from tests.browser.payloads import FAR, payloads
from tests.curation.review.desk import make_person, make_queue, make_task

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PROVOKE = """() => {
  const names = ["click", "mouseover", "pointerenter", "focus", "focusin", "load",
    "error", "toggle", "animationstart", "begin"];
  const stage = document.querySelector("#stage");
  for (const one of stage.querySelectorAll(".text *, .body *, .turn *")) {
    if (one.closest("a, button, textarea, summary")) continue;
    for (const name of names) one.dispatchEvent(new Event(name));
  }
}"""
FOUND = """() => {
  const stage = document.querySelector("#stage");
  const inside = [...stage.querySelectorAll(".text, .raw, .body")];
  const all = inside.flatMap((one) => [...one.querySelectorAll("*")]);
  return {
    hacked: window.hacked ?? null,
    handlers: all.filter((one) => [...one.attributes].some(
      (each) => /^(on|hx-|data-|style|id$|name$)/.test(each.name))).length,
    // The tree of a JSON answer folds; no other text does.
    tags: [...new Set(all
      .filter((one) => !one.matches(".as-tree, .as-tree :is(details, summary)"))
      .map((one) => one.localName))],
    links: all.filter((one) => one.localName === "a").map((one) => [
      one.protocol, one.rel, one.target]),
  };
}"""
TAGS = {
    "a", "blockquote", "br", "code", "del", "div", "em", "h3", "h4", "h5", "h6", "hr",
    "li", "ol", "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th",
    "thead", "tr", "ul",
}  # fmt: skip


@pytest.mark.timeout(600)
def test_two_hundred_payloads_run_nothing_even_without_the_policy(sit_down):
    texts = payloads()
    assert len(set(texts)) >= 200
    queue = make_queue(mode="single", lease_seconds=3600)
    for text in texts:
        make_task(queue, text, prompt=text)
    # Without the CSP, so that the sanitiser has to hold alone.
    page = sit_down(make_person(queue.project), bypass_csp=True)
    dialogs: list[str] = []
    foreign: list[str] = []

    def dismiss(dialog):
        dialogs.append(dialog.message)
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.on("request", lambda one: foreign.append(one.url))
    page.goto(f"/admin/review/{queue.pk}/")
    address = page.url

    for text in texts:
        card = page.wait_for_selector("article[data-review]")
        page.evaluate(PROVOKE)
        page.keyboard.press("r")
        found = page.evaluate(FOUND)
        assert found["hacked"] is None and found["handlers"] == 0, text
        assert set(found["tags"]) <= TAGS, text
        for protocol, rel, target in found["links"]:
            assert protocol in ("http:", "https:", "mailto:"), text
            assert "noopener" in rel and "nofollow" in rel and target == "_blank"
        review = card.get_attribute("data-review")
        page.keyboard.press("1")
        page.wait_for_function(
            "id => document.querySelector('#stage article')?.dataset.review !== id",
            arg=review,
        )

    page.wait_for_selector("article[data-empty]")
    assert (dialogs, page.errors, page.url) == ([], [], address)
    own = address.split("/admin/")[0]
    assert [url for url in foreign if not url.startswith((own, "data:,"))] == []


def test_the_policy_stops_what_would_get_past_the_sanitiser(sit_down):
    queue = make_queue()
    make_task(queue)
    page = sit_down(make_person(queue.project), f"/admin/review/{queue.pk}/")
    page.wait_for_selector("article[data-review]")
    foreign: list[str] = []
    page.on("response", lambda one: foreign.append(one.url))

    page.evaluate(
        """far => {
          const box = document.querySelector("#stage");
          box.innerHTML = `<img src=x onerror="window.hacked=1">
            <img src="${far}.png"><iframe srcdoc="<script>parent.hacked=1</script>">
            </iframe><p style="color:red" id="styled">x</p>`;
          const script = document.createElement("script");
          script.textContent = "window.hacked = 1";
          box.append(script);
        }""",
        FAR,
    )
    page.wait_for_timeout(300)

    assert page.evaluate("window.hacked ?? null") is None
    assert not any(url.startswith(FAR) for url in foreign)
    color = page.evaluate("getComputedStyle(document.querySelector('#styled')).color")
    assert color != "rgb(255, 0, 0)"
