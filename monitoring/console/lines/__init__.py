"""A batch's lines with their answers, page by page, without loading its files."""
