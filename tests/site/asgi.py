"""The test project, served by ASGI, and receiving."""

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.site.settings")

from django.core.asgi import get_asgi_application

from django_sqs.asgi import lifespan

application = lifespan(get_asgi_application(), threads=2)
