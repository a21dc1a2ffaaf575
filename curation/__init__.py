"""Review of results; its models come with the curation pages."""
