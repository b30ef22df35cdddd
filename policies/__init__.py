"""Context to action distribution: frozen policies, their exploration rules and their hashed directories."""
