"""A Celery app on this library's transport, for a real worker."""
