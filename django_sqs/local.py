"""``python -m django_sqs.local``: ``manage.py sqs_local`` where there is no Django project.

For those who use Kombu or Celery alone.  It needs the extra ``local``, which brings Django.
"""

from __future__ import annotations

import sys

NEEDS = "The local server needs: pip install 'django-sqs[local]>=2'"


def main() -> None:
    """Run the command with settings that name nothing."""
    try:
        import moto  # noqa: F401 - a look whether it is there
        from django.conf import settings
        from django.core.management import execute_from_command_line
    except ImportError:
        sys.exit(NEEDS)
    settings.configure(INSTALLED_APPS=["django_sqs"])
    execute_from_command_line(["python -m django_sqs.local", "sqs_local", *sys.argv[1:]])


if __name__ == "__main__":
    main()
