"""Model text on the page: safe, readable, and never silently different."""

import pytest

from curation.review.diffing import MOST_LETTERS, TooLarge, diff, edit_ratio
from tests.curation.review.desk import Desk, make_queue, make_task

pytestmark = pytest.mark.django_db


def body_of(text: str, **fields) -> str:
    queue = make_queue(mode="single")
    make_task(queue, text, **fields)
    desk = Desk(queue)
    desk.next()
    return desk.html.split('class="body"')[1].split('class="editor"')[0]


def shown(text: str, **fields) -> str:
    return body_of(text, **fields).split('<pre class="raw"')[0]


def test_markdown_is_rendered():
    html = shown("# Title\n\n**bold** and `code`\n\n|a|b|\n|-|-|\n|1|2|")

    assert "<h3>Title</h3>" in html and "<strong>bold</strong>" in html
    assert "<table>" in html and "<td>1</td>" in html


def test_a_code_block_keeps_its_text_and_names_its_language():
    html = shown("```html\n<b>&amp;</b>\n```")

    assert "&lt;b&gt;&amp;amp;&lt;/b&gt;" in html and "html</span>" in html


def test_a_link_shows_where_it_leads():
    html = shown("[your bank](https://evil.example/login?x=1)")

    assert 'rel="noopener nofollow noreferrer"' in html and 'target="_blank"' in html
    assert '<span class="host">(evil.example)</span>' in html


def test_an_image_is_named_and_not_loaded():
    html = shown("![a cat](https://tracker.example/pixel.png)")

    assert "<img" not in html and "image: a cat (tracker.example)" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](data:text/html,<script>alert(1)</script>)",
        "<svg/onload=alert(1)>",
        "<style>*{display:none}</style>",
        '<a href="x" hx-get="/admin/" data-do="undo">x</a>',
    ],
)
def test_html_of_a_model_is_text(text):
    html = shown(text)

    inside = html.replace('class="text rendered"', "")
    for tag in ("<script", "<img", "<svg", "<style", "<a "):
        assert tag not in inside


def test_json_is_laid_out_and_stays_as_it_was_in_raw():
    html = shown('{"a":[1,2],"é":"<b>"}')

    assert "&quot;a&quot;: [\n" in html and "&lt;b&gt;" in html


def test_json_is_a_tree_that_folds_without_a_script():
    html = body_of('{"<k>": {"in": [1, "x", null, true]}, "none": {}}')

    tree = html.split('<div class="tree"')[1].split("</div>")[0]
    assert '<span class="key">&lt;k&gt;</span>: <span class="size">{} 1 key' in tree
    assert '<span class="key">in</span>: <span class="size">[] 4 items' in tree
    for leaf in ("number", "string", "word"):
        assert f'<span class="{leaf}">' in tree
    assert "&quot;x&quot;" in tree and "{} 0 keys" in tree
    # What lies deeper than two levels is folded.
    assert tree.count("<details open>") == 2 and tree.count("<details>") == 1


@pytest.mark.parametrize("text", ["plain", "1", '"a string"', "{broken", "- [x]"])
def test_what_is_no_object_or_list_is_no_tree(text):
    assert "As a tree" not in body_of(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[" * 300 + "]" * 300, "deeper than is shown"),
        ("[" + "1," * 40_000 + "1]", "and 38,002 more".replace(",", "")),
        ("[" * 400 + "1," * 40_000 + "1" + "]" * 400, "deeper than is shown"),
        ('{"' + "k" * 90_000 + '": 1}', "88,000 letters more"),
        ("[" + '{"a":[' * 300 + "]}" * 300 + "]", "deeper than is shown"),
    ],
)
def test_a_hostile_tree_stays_small(text, says):
    html = body_of(text)

    assert says in html.split('<div class="tree"')[1]
    assert len(html) < 1_500_000


@pytest.mark.parametrize("text", ["[" * 90_000, "{" + "9" * 5000, "x" * 200_000, ""])
def test_odd_texts_are_shown_all_the_same(text):
    assert "</div>" in shown(text)


@pytest.mark.parametrize(
    "prompt",
    [
        {},
        {"messages": None},
        {"messages": [None, 3, {"role": 7, "content": [{"type": "x"}, 1, "t"]}]},
        {"messages": [{"content": {"odd": True}}]},
        {"prompt": ["a", "b"]},
        {"input": [[1, 2], "x"]},
        {"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "http://[bad"}}]}]},
    ],
)  # fmt: skip
def test_odd_prompts_are_shown_all_the_same(prompt):
    assert shown("an answer", prompt=prompt)


def test_a_system_prompt_is_collapsed():
    queue = make_queue()
    messages = [
        {"role": "system", "content": "be brief"},
        {"role": "user", "content": "why?"},
    ]
    make_task(queue, prompt={"messages": messages})
    desk = Desk(queue)
    desk.next()

    system = desk.html.split("<details")[1].split("</details>")[0]
    assert "be brief" in system and "<details open" not in desk.html


def test_differences_are_words_not_letters():
    parts = [(part.kind, part.text) for part in diff("a red cat", "a blue cat")]

    assert parts == [
        ("same", "a "), ("gone", "red"), ("new", "blue"), ("same", " cat"),
    ]  # fmt: skip


def test_both_texts_can_be_read_back_from_the_differences():
    left, right = "one two\nthree four", "two\nthree five  four six"
    for unit in ("word", "line"):
        parts = diff(left, right, unit)
        assert "".join(p.text for p in parts if p.kind != "new") == left
        assert "".join(p.text for p in parts if p.kind != "gone") == right


def test_texts_that_are_too_large_are_not_compared():
    with pytest.raises(TooLarge):
        diff("a" * (MOST_LETTERS + 1), "b")


@pytest.mark.parametrize(
    ("left", "right", "least", "most"),
    [
        ("a b", "a b", 0, 0),
        ("", "", 0, 0),
        ("a", "b", 1, 1),
        ("a b c", "a b d", 0.1, 0.5),
        ("a " * 9000, "b " * 9000, 0.1, 1),
    ],
)
def test_the_edit_ratio_goes_from_same_to_nothing_in_common(left, right, least, most):
    assert least <= edit_ratio(left, right) <= most
