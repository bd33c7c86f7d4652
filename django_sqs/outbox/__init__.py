"""An optional app: ``send(..., outbox=True)`` sends exactly what is committed."""
