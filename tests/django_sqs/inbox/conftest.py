"""Fixtures: the connection that effects are written by."""

import pytest
from django.db import connections, router

from ...site.shop.models import Order


@pytest.fixture
def connection():
    return connections[router.db_for_write(Order)]
