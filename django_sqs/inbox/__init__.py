"""An optional app: receivers with ``once=True`` have their effect once for each message."""
