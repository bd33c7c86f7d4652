"""Holding: the life of a held message, and its lease."""
