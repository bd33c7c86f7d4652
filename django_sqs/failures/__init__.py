"""Failures: an optional app that keeps each failed delivery, to be seen and sent again."""
