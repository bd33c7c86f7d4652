from django.db import transaction

from .models import Order
from .tasks import pack


@transaction.atomic
def place_order(**fields):
    order = Order.objects.create(**fields)
    pack.delay_on_commit(order.pk)
    return order
