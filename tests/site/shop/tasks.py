"""Celery tasks beside the receivers."""

import os

from celery import shared_task

import django_sqs

from .models import Run


@shared_task(name="shop.record")
def record(value):
    Run.objects.create(queue="celery", body=str(value), message_id="", pid=os.getpid(), thread="")


@shared_task(name="shop.send")
def send(body):
    django_sqs.send("plain", body=body)
