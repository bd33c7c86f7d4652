"""Registration: who receives what, and sending to it."""
