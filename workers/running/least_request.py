"""The smallest request of each endpoint: an engine that dies of it is broken itself."""

import json
from typing import Any

_BODIES: dict[str, dict[str, Any]] = {
    "/v1/chat/completions": {
        "messages": [{"role": "user", "content": "Hi"}],
        "max_tokens": 1,
    },
    "/v1/completions": {"prompt": "Hi", "max_tokens": 1},
    "/v1/responses": {"input": "Hi", "max_output_tokens": 16},
    "/v1/embeddings": {"input": "Hi"},
    "/v1/score": {"text_1": "Hi", "text_2": "Ho"},
    "/v1/rerank": {"query": "Hi", "documents": ["Ho"]},
}


def has_least_request(url: str) -> bool:
    """Tell whether there is one for this endpoint."""
    return url in _BODIES


def least_request(url: str, model: str) -> bytes:
    """Return the body of a request that no well engine dies of."""
    return json.dumps({"model": model, **_BODIES[url]}).encode()
