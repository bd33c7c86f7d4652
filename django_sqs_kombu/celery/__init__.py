"""Receivers in the pool of a Celery worker."""

from .step import ReceiverStep

__all__ = ["ReceiverStep"]
