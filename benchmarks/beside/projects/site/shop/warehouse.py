"""What the site does anyhow; each project has it done in the background."""

from django.utils import timezone

from .models import Order, Report


class WarehouseAway(Exception):
    """The warehouse does not answer; it is worth trying again."""


def pack_order(number):
    """Have an order packed.

    :raises WarehouseAway: not now.
    """
    order = Order.objects.get(pk=number)
    order.tries += 1
    order.first_tried = order.first_tried or timezone.now()
    if order.tries > order.away:
        order.packed = timezone.now()
    order.save()
    if order.packed is None:
        raise WarehouseAway(f"order {number}")


def make_report():
    """Make the report."""
    Report.objects.create()
