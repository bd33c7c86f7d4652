from datetime import timedelta

from django.tasks import task
from django.utils import timezone

from .warehouse import WarehouseAway, make_report, pack_order

MAX_RETRIES = 5


@task
def pack(number, retries=0):
    try:
        pack_order(number)
    except WarehouseAway:
        if retries >= MAX_RETRIES:
            raise
        later = timezone.now() + timedelta(seconds=2**retries)
        pack.using(run_after=later).enqueue(number, retries + 1)


@task
def report():
    make_report()
