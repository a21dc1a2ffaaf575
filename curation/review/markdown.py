"""Model text as safe HTML. Whatever a model writes, nothing of it runs or loads.

Three walls: the parser passes no raw HTML on, nh3 keeps only the tags below, and the
page's CSP allows no foreign script, style or image.
"""

from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import nh3
from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

# Letters; longer text is shown as it is. Parsing is slower than the reader's patience.
MOST_RENDERED = 50_000
TAGS = {
    "a", "blockquote", "br", "code", "del", "em", "h3", "h4", "h5", "h6", "hr", "li",
    "ol", "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead",
    "tr", "ul",
}  # fmt: skip
ATTRIBUTES = {"a": {"href", "title"}, "ol": {"start"}}
CLASSES = {"span": {"host", "image", "language"}}
SCHEMES = {"http", "https", "mailto"}
# A page has one h1 and one h2 of its own.
_LEVELS_DOWN = 2


def render(text: str) -> SafeString:
    """Return Markdown as HTML of the allowed tags; overlong text as one block."""
    if len(text) > MOST_RENDERED:
        return plain(text)
    try:
        html = _PARSER.render(text)
    except (RecursionError, ValueError):
        return plain(text)
    return clean(html)


def plain(text: str) -> SafeString:
    """Return the text as it is, in a block; HTML drops the first line break of one."""
    return mark_safe(f"<pre>\n{escape(text)}</pre>")  # noqa: S308 - escaped


def clean(html: str) -> SafeString:
    """Return HTML with nothing but what is allowed."""
    kept = nh3.clean(
        html,
        tags=TAGS,
        attributes=ATTRIBUTES,
        allowed_classes=CLASSES,
        url_schemes=SCHEMES,
        link_rel="noopener nofollow noreferrer",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        strip_comments=True,
    )
    return mark_safe(kept)  # noqa: S308 - this is the sanitiser


def host_of(url: str) -> str:
    """Return where a link leads, in a few letters."""
    try:
        parts = urlsplit(url)
        return parts.hostname or parts.path[:80]
    except ValueError:
        return "?"


def _image(
    self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    """Name an image instead of loading it: a request would tell who reads."""
    token = tokens[index]
    name = escape(token.content or "without a name")
    host = escape(host_of(str(token.attrGet("src") or "")))
    return f'<span class="image">image: {name} ({host})</span>'


def _link_close(
    self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    depth = 0
    for token in reversed(tokens[: index + 1]):
        depth += token.nesting * (token.type in ("link_open", "link_close"))
        if token.type == "link_open" and depth == 0:
            host = escape(host_of(str(token.attrGet("href") or "")))
            return f'</a> <span class="host">({host})</span>'
    return "</a>"


def _heading(
    self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    token = tokens[index]
    tag = f"h{min(6, int(token.tag[1]) + _LEVELS_DOWN)}"
    return f"<{tag}>" if token.nesting > 0 else f"</{tag}>\n"


def _fence(
    self: Any, tokens: Sequence[Token], index: int, options: Any, env: Any
) -> str:
    token = tokens[index]
    language = escape(token.info.strip().split(" ")[0][:20])
    label = f'<span class="language">{language}</span>' if language else ""
    return f"{label}<pre><code>{escape(token.content)}</code></pre>\n"


def _parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark", {"html": False}).enable(
        ["table", "strikethrough"]
    )
    parser.add_render_rule("image", _image)
    parser.add_render_rule("link_close", _link_close)
    parser.add_render_rule("heading_open", _heading)
    parser.add_render_rule("heading_close", _heading)
    parser.add_render_rule("fence", _fence)
    return parser


_PARSER = _parser()
