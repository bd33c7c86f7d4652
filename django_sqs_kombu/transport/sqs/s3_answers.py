"""Answers in the place of S3's, as of a proxy: they are failures, whatever they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

#: What each answer of S3 to these operations has, and botocore does not miss.
SIGNS = {
    "GetObject": "ETag",
    "PutObject": "ETag",
    "CreateMultipartUpload": "UploadId",
    "UploadPart": "ETag",
    "CompleteMultipartUpload": "ETag",
}


#: What a request to S3 fails with.  The last is none of botocore's errors: a success that is not
#: XML, which newer versions do not read.
S3_ERRORS = (BotoCoreError, ClientError, ResponseParserError)


class NotFromS3(BotoCoreError):  # type: ignore[misc]
    """Something else than S3 has answered, and said that all is well."""

    fmt = "the answer to {operation} is not from S3: status {status} without {sign}"


def refuse_other_answers(client: Any) -> None:
    """Have a new boto3 client for S3 raise :class:`NotFromS3` for what only looks like an answer.

    A page would be taken for the content of an object, and an object for written that is not.
    """
    client.meta.events.register("after-call.s3", _refuse)


def _refuse(parsed: Mapping[str, Any], model: Any, http_response: Any, **kwargs: Any) -> None:
    sign = SIGNS.get(model.name)
    if sign is None or http_response.status_code >= 300 or parsed.get(sign):
        return
    if (body := parsed.get("Body")) is not None:
        body.close()
    raise NotFromS3(operation=model.name, status=http_response.status_code, sign=sign)
