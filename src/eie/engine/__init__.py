"""The inference engine: compressed layers run as they are, on an ordinary CPU."""
