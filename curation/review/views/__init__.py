"""Views of the review pages: parse, call one action, show."""
