from celery import shared_task

from .warehouse import WarehouseAway, make_report, pack_order


@shared_task(autoretry_for=[WarehouseAway], retry_backoff=True, max_retries=5)
def pack(number):
    pack_order(number)


@shared_task
def report():
    make_report()
