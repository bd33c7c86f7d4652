"""Access: who may see the views."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare

from .conf import conf

View = Callable[..., HttpResponse]


def readers_only(view: View) -> View:
    """Let in staff, whoever has the token of SQS_VIEW_TOKEN, or all where a setting says so.

    The token comes as ``Authorization: Bearer TOKEN``; it is compared in constant time.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if conf.views_public or _has_token(request) or _is_staff(request):
            return view(request, *args, **kwargs)
        refused = HttpResponse(
            "Log in as staff, or send the token of SQS_VIEW_TOKEN as a bearer token.\n",
            content_type="text/plain",
            status=401,
        )
        refused["WWW-Authenticate"] = 'Bearer realm="django-sqs"'
        return refused

    return guarded


def _has_token(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    expected = conf.view_token
    return bool(
        expected and scheme.lower() == "bearer" and constant_time_compare(token.strip(), expected)
    )


def _is_staff(request: HttpRequest) -> bool:
    # There is no user without Django's authentication middleware.
    user = getattr(request, "user", None)
    return bool(user is not None and user.is_active and user.is_staff)
