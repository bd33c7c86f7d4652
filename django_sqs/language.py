"""The languages of what is written for others than the user who is being answered."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from django.conf import settings
from django.utils import translation

if TYPE_CHECKING:
    from django.utils.functional import _StrPromise as Promise

    #: A text, or one that is translated when it is shown.
    Text = str | Promise
else:
    Text = object


def of_the_site() -> AbstractContextManager[None]:
    """Have texts made in the language of LANGUAGE_CODE.

    For what stays, as a note in the admin's history: its readers may have other languages than
    the user who caused it.
    """
    return translation.override(settings.LANGUAGE_CODE)


def of_logs() -> AbstractContextManager[None]:
    """Have texts made in English, which all logs are in."""
    return translation.override(None)
