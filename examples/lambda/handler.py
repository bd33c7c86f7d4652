"""What Lambda imports once for each environment, and then calls with each event."""

import os

import django_sqs

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")

handler = django_sqs.lambda_handler()
