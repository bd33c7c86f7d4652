"""A row to send, and the record of what receivers did."""

from django.db import models


class Order(models.Model):
    """Something that messages are about."""

    title = models.CharField(max_length=100)


class Run(models.Model):
    """One run of a receiver."""

    queue = models.CharField(max_length=100)
    body = models.TextField()
    message_id = models.CharField(max_length=100)
    pid = models.IntegerField()
    thread = models.CharField(max_length=100)
    receive_count = models.IntegerField(default=1)
    started_at = models.DateTimeField(auto_now_add=True)
    finished = models.BooleanField(default=False)


class Line(models.Model):
    """Something that belongs to an order; PostgreSQL and SQLite ask only at the commit."""

    order = models.ForeignKey(Order, models.CASCADE)
