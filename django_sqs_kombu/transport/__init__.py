"""The Kombu transport: what a broker URL names, and its channel."""

from .channel import Channel
from .transport import Transport

__all__ = ["Channel", "Transport"]
