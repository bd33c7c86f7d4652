"""lambda_handler: the project's receivers, run on the SQS events of AWS Lambda."""

from __future__ import annotations

import django
from django.apps import apps

from django_sqs_kombu.aws_lambda import (
    LambdaFunction,
    LambdaKeywords,
    Response,
    check_keywords,
)
from django_sqs_kombu.unpack import Unpack

from .connections import after_pause, before_pause
from .problems import require_valid
from .registry import receivers


class DjangoLambdaFunction(LambdaFunction):
    """The handler of a Lambda function in a Django project.

    Between two invocations Lambda freezes the process, so database connections are maintained as
    between two requests: at the end, those older than CONN_MAX_AGE are closed; at the beginning,
    those that were kept are checked.
    """

    def __call__(self, event: object, context: object = None) -> Response:
        """Handle the messages of *event*; return which of them are not done."""
        after_pause()
        try:
            return super().__call__(event, context)
        finally:
            before_pause()


def lambda_handler(**options: Unpack[LambdaKeywords]) -> LambdaFunction:
    """Return the handler of an AWS Lambda function that runs this project's receivers.

    ::

        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "mysite.settings")
        handler = django_sqs.lambda_handler()

    It sets up Django if that has not been done yet.

    :param options: those of :class:`django_sqs_kombu.aws_lambda.LambdaFunction`.
    :raises ConfigurationError: there is no such option, or its value is wrong.
    :raises ImproperlyConfigured: a setting is missing or wrong, such as DJANGO_SETTINGS_MODULE.
    """
    check_keywords(options)
    if not apps.ready:
        django.setup()
    require_valid()
    return DjangoLambdaFunction(receivers, **options)
