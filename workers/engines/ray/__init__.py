"""The vLLM engine on many GPUs: replicas on a Ray cluster, fed in blocks."""
