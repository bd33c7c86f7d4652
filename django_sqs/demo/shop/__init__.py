"""The demo's only app."""
