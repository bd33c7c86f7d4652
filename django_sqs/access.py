"""Access: who may see the views."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from .conf import conf

View = Callable[..., HttpResponse]


REFUSED = "Log in as staff, or send the token of SQS_VIEW_TOKEN as a bearer token.\n"


def readers_only(view: View) -> View:
    """Let in staff, holders of the token of SQS_VIEW_TOKEN, or everyone if SQS_VIEWS_PUBLIC.

    The token comes as ``Authorization: Bearer TOKEN``; it is compared in constant time.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if conf.views_public or is_known(request):
            return view(request, *args, **kwargs)
        return _refused()

    return guarded


def is_known(request: HttpRequest) -> bool:
    """Whether the request comes from staff, or from a holder of the token."""
    return _has_token(request) or _is_staff(request)


def changers_only(view: View) -> View:
    """Let in holders of the token, and staff with Django's protection against CSRF.

    SQS_VIEWS_PUBLIC does not apply here: it is for reading.
    """
    protected = csrf_protect(view)

    @csrf_exempt
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if _has_token(request):
            return view(request, *args, **kwargs)
        return protected(request, *args, **kwargs) if _is_staff(request) else _refused()

    return guarded


def _refused() -> HttpResponse:
    refused = HttpResponse(REFUSED, content_type="text/plain", status=401)
    refused["WWW-Authenticate"] = 'Bearer realm="django-sqs"'
    return refused


def has_bearer_token(header: str, expected: str | None) -> bool:
    """Whether an Authorization header has the bearer token; compared in constant time."""
    scheme, _, token = header.partition(" ")
    return bool(
        expected and scheme.lower() == "bearer" and constant_time_compare(token.strip(), expected)
    )


def _has_token(request: HttpRequest) -> bool:
    return has_bearer_token(request.headers.get("Authorization", ""), conf.view_token)


def _is_staff(request: HttpRequest) -> bool:
    # There is no user without Django's authentication middleware.
    user = getattr(request, "user", None)
    return bool(user is not None and user.is_active and user.is_staff)
