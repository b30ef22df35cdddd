"""Strategies scored, priced and ranked."""
