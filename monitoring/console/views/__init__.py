"""Views of the console: parse, ask or call one action, show."""
