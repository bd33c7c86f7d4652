"""The demo: a project that ``python -m django_sqs.demo`` runs."""
