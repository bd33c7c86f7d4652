from django.db import transaction

from .models import Order
from .receivers import pack


@transaction.atomic
def place_order(**fields):
    order = Order.objects.create(**fields)
    pack(body={"number": order.pk}, on_commit=True)
    return order
