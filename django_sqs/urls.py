"""URLs: include them as ``path("sqs/", include("django_sqs.urls"))``."""

from django.urls import path

from .views import status, wake

urlpatterns = [
    path("status/", status, name="sqs_status"),
    path("wake/", wake, name="sqs_wake"),
]
