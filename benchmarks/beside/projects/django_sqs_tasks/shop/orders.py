from django.db import transaction

from .models import Order
from .tasks import pack


@transaction.atomic
def place_order(**fields):
    order = Order.objects.create(**fields)
    pack.enqueue(order.pk)
    return order
