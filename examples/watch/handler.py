"""What Lambda calls with each event; docs/howto/lambda.rst has its template."""

import os

import django_sqs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

handler = django_sqs.lambda_handler()
