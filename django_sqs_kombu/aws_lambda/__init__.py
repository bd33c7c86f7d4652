"""AWS Lambda: the receivers of a registry, run on the SQS events of a function."""

from .function import LambdaFunction, LambdaKeywords, Response, check_keywords, lambda_handler
from .not_all_done import NotAllDone

__all__ = [
    "LambdaFunction",
    "LambdaKeywords",
    "NotAllDone",
    "Response",
    "check_keywords",
    "lambda_handler",
]
