"""The one OpenAI-compatible address by which clients reach every model."""
