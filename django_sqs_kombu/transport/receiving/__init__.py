"""Receiving: who polls, for how many, and the life of what came."""
