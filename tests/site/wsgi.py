"""The test project, served by WSGI."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.site.settings")

from django.core.wsgi import get_wsgi_application

application = get_wsgi_application()
