"""The room recommendation."""
