"""The room env."""
