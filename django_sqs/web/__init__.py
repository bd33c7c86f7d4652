"""Receiving inside of the processes that serve the site, for small sites and development."""
