"""The single writer and what it publishes."""
