from django.db import models


class Order(models.Model):
    """An order, to be packed.

    :ivar away: how many times the warehouse does not answer for it.
    """

    away = models.IntegerField(default=0)
    tries = models.IntegerField(default=0)
    first_tried = models.DateTimeField(null=True)
    packed = models.DateTimeField(null=True)


class Report(models.Model):
    """A report was made."""

    made = models.DateTimeField(auto_now_add=True)
