"""Lines at work: from a claimed chunk through the engine to a durable segment."""
