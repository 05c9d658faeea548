"""http1."""
