"""AMSO: the public API (lazy)."""
