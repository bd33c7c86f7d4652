"""The age of each queue's oldest message, which SQS tells only to CloudWatch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import islice

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from django_sqs_kombu.logs import get_logger
from django_sqs_kombu.printable import line, repr_of

from ..conf import conf
from ..operations.asking import PATIENCE, NotAnsweredYet, ask_within
from ..operations.queues import targets
from ..operations.remembered import remembered
from ..registry import receivers

logger = get_logger(__name__)

#: Metrics that CloudWatch takes in one request.
MOST_METRICS = 500
#: CloudWatch knows a value a minute, some minutes late.
LOOK_BACK = timedelta(minutes=10)
KEPT = 60
_KEY = "django_sqs.monitor.ages"


def oldest_ages() -> dict[str, float]:
    """Seconds by the names of queues in SQS, of those that CloudWatch knows.

    Nothing without SQS_CLOUDWATCH.  Answers are cached for a minute; what fails is logged.
    """
    if not conf.cloudwatch:
        return {}
    key = f"{_KEY}.{conf.prefix}"
    return remembered([key], KEPT, lambda _: {key: _asked(key)})[key]


def _asked(name: str) -> dict[str, float]:
    names = [target.full_name for target in targets(receivers.select())]
    try:
        return ask_within(PATIENCE, name, lambda: dict(_ask(names)))
    except Exception as exc:  # noqa: BLE001 - over a page of a proxy it may be any
        logger.warning("CloudWatch did not return the age of messages: %s", _told(exc))
        return {}


def _ask(names: Sequence[str]) -> Iterator[tuple[str, float]]:
    keys = conf.credentials
    client = boto3.client(
        "cloudwatch",
        region_name=conf.region,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
        config=Config(connect_timeout=3, read_timeout=5, retries={"total_max_attempts": 2}),
    )
    # With its zone, whatever USE_TZ says: botocore takes the local time of another for UTC.
    now = datetime.now(timezone.utc)
    left = iter(names)
    while some := list(islice(left, MOST_METRICS)):
        answer = client.get_metric_data(
            MetricDataQueries=[_query(number, name) for number, name in enumerate(some)],
            StartTime=now - LOOK_BACK,
            EndTime=now,
            ScanBy="TimestampDescending",
        )
        for result in answer["MetricDataResults"]:
            if result["Values"]:
                yield some[int(result["Id"][1:])], result["Values"][0]


def _told(exc: Exception) -> str:
    if isinstance(exc, BotoCoreError | ClientError | NotAnsweredYet):
        return line(str(exc))
    # botocore's own errors are not of an answer of another form.
    return f"the answer is not from CloudWatch ({line(repr_of(exc))})"


def _query(number: int, name: str) -> dict[str, object]:
    metric = {
        "Namespace": "AWS/SQS",
        "MetricName": "ApproximateAgeOfOldestMessage",
        "Dimensions": [{"Name": "QueueName", "Value": name}],
    }
    return {"Id": f"q{number}", "MetricStat": {"Metric": metric, "Period": 60, "Stat": "Maximum"}}
