"""Many OpenAI-compatible servers as one engine: who they are, what each takes."""
