"""The request endpoints a batch may be for (contract 9)."""

ENDPOINTS = (
    "/v1/chat/completions",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    # Extensions of vLLM; openai-batch uses /v1/score (R15).
    "/v1/score",
    "/v1/rerank",
)
