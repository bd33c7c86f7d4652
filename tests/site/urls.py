"""URLs of the test project."""

from django.apps import apps
from django.urls import include, path

urlpatterns = [path("sqs/", include("django_sqs.urls"))]
if apps.is_installed("django.contrib.admin"):
    from django.contrib import admin

    from django_sqs.monitor.admin import QueueReport, QueueReportAdmin

    staff = admin.AdminSite(name="staff")
    staff.register(QueueReport, QueueReportAdmin)
    urlpatterns += [path("admin/", admin.site.urls), path("staff/", staff.urls)]
