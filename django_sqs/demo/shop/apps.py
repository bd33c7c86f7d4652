"""The demo's app, under a name that no project has."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Nothing but a name."""

    name = "django_sqs.demo.shop"
    label = "django_sqs_demo"
