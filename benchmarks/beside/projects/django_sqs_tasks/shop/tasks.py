from django.conf import settings
from django.tasks import task

from django_sqs.tasks import scheduled

from .warehouse import make_report, pack_order


@task
def pack(number):
    pack_order(number)


@scheduled(cron=settings.REPORT_AT)
@task
def report():
    make_report()
