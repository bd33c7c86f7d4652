"""Fixtures: a bucket, and a registry that keeps large payloads there."""

import boto3
import pytest

from django_sqs_kombu import Receivers


@pytest.fixture
def s3(server, prefix):
    """An S3 client; the bucket has the name of the prefix."""
    client = boto3.client(
        "s3",
        endpoint_url=server.url,
        region_name="us-east-1",
        aws_access_key_id="testing",
        aws_secret_access_key="testing-secret",
    )
    client.create_bucket(Bucket=prefix)
    return client


@pytest.fixture
def large(server, prefix, transport_options, s3):
    """A registry with a bucket for large payloads."""
    receivers = Receivers(
        "sqs-batch://testing:testing-secret@",
        prefix=prefix,
        poll_period=1,
        transport_options={
            **transport_options,
            "large_payload_bucket": prefix,
            "s3_endpoint_url": server.url,
        },
    )
    yield receivers
    receivers.close()


@pytest.fixture
def keys(s3, prefix):
    return lambda: [o["Key"] for o in s3.list_objects_v2(Bucket=prefix).get("Contents", [])]
