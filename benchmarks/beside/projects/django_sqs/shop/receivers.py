from django.conf import settings

from django_sqs import Retry, exponential, receiver
from django_sqs.message import JSONMessage

from .warehouse import WarehouseAway, make_report, pack_order


@receiver(
    "pack",
    message_class=JSONMessage,
    retry=Retry(on=WarehouseAway, tries=6, backoff=exponential(base=1)),
)
def pack(message):
    pack_order(message["number"])


@receiver("report", cron=settings.REPORT_AT)
def report(message):
    make_report()
