from dj_queue.api import enqueue_on_commit
from django.db import transaction

from .models import Order
from .tasks import pack


@transaction.atomic
def place_order(**fields):
    order = Order.objects.create(**fields)
    enqueue_on_commit(pack, order.pk)
    return order
