"""The room knowledge."""
