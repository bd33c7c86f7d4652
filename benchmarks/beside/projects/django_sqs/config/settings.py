from .base import *

INSTALLED_APPS += [
    "django_sqs",
    "django_sqs.failures",
    "django_sqs.monitor",
    "django_sqs.outbox",
    "django_sqs.schedules",
]
AWS_REGION = "us-east-1"
SQS_QUEUE_PREFIX = "shop"
SQS_ENDPOINT_URL = LOCAL_SQS and f"http://{LOCAL_SQS}"
