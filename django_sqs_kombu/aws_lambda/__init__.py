"""AWS Lambda: the receivers of a registry, run on the SQS events of a function."""

from .function import LambdaFunction, Response, lambda_handler

__all__ = ["LambdaFunction", "Response", "lambda_handler"]
