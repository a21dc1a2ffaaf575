"""The slot's card: what NVML says of it, and what follows from that."""
