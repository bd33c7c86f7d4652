"""What the demo's messages are about."""

from __future__ import annotations

from django.db import models


class Order(models.Model):
    """An order in a shop."""

    title = models.CharField(max_length=100)
    packed = models.BooleanField(default=False)

    def __str__(self) -> str:
        return self.title
