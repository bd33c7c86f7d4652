"""The settings of the function, and of a worker that shares its queues."""

import os

SECRET_KEY = os.environ.get("SECRET_KEY", "an example has no secrets")
INSTALLED_APPS = ["django_sqs", "orders"]
USE_TZ = True

SQS_QUEUE_PREFIX = "shop"
SQS_CREATE_QUEUES = False
# Another server than AWS's, in tests.
SQS_ENDPOINT_URL = os.environ.get("SQS_ENDPOINT_URL")
# The queues that `manage.py runreceiver` leaves to the function.
SQS_LAMBDA_QUEUES = ["orders"]
