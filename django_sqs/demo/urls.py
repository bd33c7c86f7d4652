"""URLs of the demo project: the admin with its pages about queues, and the plain report."""

from django.contrib import admin
from django.urls import include, path

urlpatterns = [path("admin/", admin.site.urls), path("sqs/", include("django_sqs.urls"))]
