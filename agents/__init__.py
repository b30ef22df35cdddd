"""The room agents."""
