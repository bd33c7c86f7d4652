"""Settling: deletes and visibility changes, until SQS has confirmed them."""
