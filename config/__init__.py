"""Typed settings, read from YAML: one module a topic, every key checked."""
