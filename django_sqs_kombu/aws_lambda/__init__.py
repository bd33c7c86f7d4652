"""AWS Lambda: the receivers of a registry, run on the SQS events of a function."""

from .function import LambdaFunction, Response, lambda_handler
from .not_all_done import NotAllDone

__all__ = ["LambdaFunction", "NotAllDone", "Response", "lambda_handler"]
