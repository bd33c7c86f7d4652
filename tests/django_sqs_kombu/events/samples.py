"""What AWS's services write, in the forms that their documentation shows."""

import copy
import json

S3 = {
    "Records": [
        {
            "eventVersion": "2.1",
            "eventSource": "aws:s3",
            "awsRegion": "us-west-2",
            "eventTime": "1970-01-01T00:00:00.123Z",
            "eventName": "ObjectCreated:Put",
            "userIdentity": {"principalId": "AIDAJDPLRKLG7UEXAMPLE"},
            "requestParameters": {"sourceIPAddress": "172.16.0.1"},
            "responseElements": {
                "x-amz-request-id": "C3D13FE58DE4C810",
                "x-amz-id-2": "FMyUVURIY8/IgAtTv8xRjskZQpcIZ9KG4V5Wp6S7S/JRWeUWerMUE5JgHvANOjpD",
            },
            "s3": {
                "s3SchemaVersion": "1.0",
                "configurationId": "testConfigRule",
                "bucket": {
                    "name": "amzn-s3-demo-bucket",
                    "ownerIdentity": {"principalId": "A3NL1KOZZKExample"},
                    "arn": "arn:aws:s3:::amzn-s3-demo-bucket",
                },
                "object": {
                    "key": "bilder/Sch%C3%B6ne+Aussicht%2B1.jpg",
                    "size": 1024,
                    "eTag": "d41d8cd98f00b204e9800998ecf8427e",
                    "versionId": "096fKKXTRTtl3on89fVO.nfljtsv6qko",
                    "sequencer": "0055AED6DCD90281E5",
                },
            },
        }
    ]
}
S3_TEST = {
    "Service": "Amazon S3",
    "Event": "s3:TestEvent",
    "Time": "2014-10-13T15:57:02.089Z",
    "Bucket": "amzn-s3-demo-bucket",
    "RequestId": "5582815E1AEA5ADF",
    "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
}
S3_BY_EVENTBRIDGE = {
    "version": "0",
    "id": "17793124-05d4-b198-2fde-7ededc63b103",
    "detail-type": "Object Created",
    "source": "aws.s3",
    "account": "111122223333",
    "time": "2021-11-12T00:00:00Z",
    "region": "ca-central-1",
    "resources": ["arn:aws:s3:::amzn-s3-demo-bucket1"],
    "detail": {
        "version": "0",
        "bucket": {"name": "amzn-s3-demo-bucket1"},
        "object": {"key": "example+key", "size": 5, "etag": "b1946ac92492d2347c6235b4d2611184"},
        "requester": "111122223333",
        "reason": "PutObject",
    },
}
ORDER_PLACED = {
    **S3_BY_EVENTBRIDGE,
    "source": "com.example.shop",
    "detail-type": "Order placed",
    "detail": {"number": 7, "due": "2026-01-31"},
}
MAIL = {
    "timestamp": "2016-01-27T14:59:38.237Z",
    "source": "john@example.com",
    "sourceArn": "arn:aws:ses:us-east-1:888888888888:identity/example.com",
    "sendingAccountId": "123456789012",
    "messageId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa0680-000000",
    "destination": ["jane@example.com", "mary@example.com", "richard@example.com"],
}
SES_BOUNCE = {
    "notificationType": "Bounce",
    "bounce": {
        "bounceType": "Permanent",
        "bounceSubType": "General",
        "reportingMTA": "dns; email.example.com",
        "bouncedRecipients": [
            {
                "emailAddress": "jane@example.com",
                "status": "5.1.1",
                "action": "failed",
                "diagnosticCode": "smtp; 550 5.1.1 <jane@example.com>... User",
            }
        ],
        "timestamp": "2016-01-27T14:59:38.237Z",
        "feedbackId": "00000138111222aa-33322211-cccc-cccc-cccc-ddddaaaa068a-000000",
    },
    "mail": MAIL,
}
SES_COMPLAINT = {
    "eventType": "Complaint",
    "complaint": {
        "complainedRecipients": [{"emailAddress": "richard@example.com"}],
        "timestamp": "2016-01-27T14:59:38.237Z",
        "feedbackId": "000001378603177f-18c07c78-fa81-4a58-9dd1-fedc3cb8f49a-000000",
        "complaintFeedbackType": "abuse",
    },
    "mail": MAIL,
}
SES_DELIVERY = {
    "notificationType": "Delivery",
    "mail": MAIL,
    "delivery": {
        "timestamp": "2016-01-27T14:59:38.237Z",
        "recipients": ["jane@example.com"],
        "processingTimeMillis": 546,
        "reportingMTA": "a8-70.smtp-out.amazonses.com",
        "smtpResponse": "250 ok:  Message 64111812 accepted",
    },
}
SES_SEND = {"eventType": "Send", "mail": MAIL, "send": {}}
SES_RECEIVED = {
    "notificationType": "Received",
    "receipt": {
        "timestamp": "2015-09-11T20:32:33.936Z",
        "processingTimeMillis": 222,
        "recipients": ["recipient@example.com"],
        "action": {"type": "SNS", "topicArn": "arn:aws:sns:us-east-1:012345678912:example-topic"},
    },
    "mail": {**MAIL, "destination": ["recipient@example.com"]},
    "content": "Return-Path: <61967230-7A45-4A9D-BEC9-87CBCF2211C9@example.com>\r\n",
}
SES_TRIAL = "Successfully validated SNS topic for Amazon SES event publishing."
#: What SES writes to a topic that is set for the notifications of an identity.
SES_SUBSCRIBED = {
    "notificationType": "AmazonSnsSubscriptionSucceeded",
    "message": "You have successfully subscribed your Amazon SNS topic "
    "'arn:aws:sns:us-east-1:123456789012:MyTopic' to receive 'Bounce' notifications from "
    "Amazon SES for identity 'example.com'.",
}
#: What EventBridge Scheduler writes where no input was chosen.
SCHEDULED = {
    "version": "0",
    "id": "37666ae6-ded5-45b7-9e1a-0f0c0a8a4e3f",
    "detail-type": "Scheduled Event",
    "source": "aws.scheduler",
    "account": "123456789012",
    "time": "2024-06-13T12:30:00Z",
    "region": "us-east-2",
    "resources": ["arn:aws:scheduler:us-east-2:123456789012:schedule/default/nightly"],
    "detail": "{}",
}
ALARM = {
    "AlarmName": "Example alarm name",
    "AlarmDescription": "Example alarm description.",
    "AWSAccountId": "000000000000",
    "NewStateValue": "ALARM",
    "NewStateReason": "Threshold Crossed: 1 datapoint (10.0) was greater than or equal to (1.0).",
    "StateChangeTime": "2017-01-12T16:30:42.236+0000",
    "Region": "EU - Ireland",
    "AlarmArn": "arn:aws:cloudwatch:eu-west-1:000000000000:alarm:Example alarm name",
    "OldStateValue": "OK",
    "Trigger": {
        "MetricName": "DeliveryErrors",
        "Namespace": "ExampleNamespace",
        "Statistic": "SUM",
        "Unit": None,
        "Dimensions": [],
        "Period": 300,
        "EvaluationPeriods": 1,
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Threshold": 1.0,
    },
}
COMPOSITE_ALARM = {
    "AlarmName": "CompositeAlarmName",
    "AlarmRule": "(ALARM(one) OR ALARM(other))",
    "AWSAccountId": "000000000000",
    "NewStateValue": "OK",
    "NewStateReason": "arn:aws:... transitioned to OK at Friday 03 July, 2020 21:58:18 UTC",
    "StateChangeTime": "2020-07-03T21:58:18.000+0000",
    "OldStateValue": "ALARM",
}
DYNAMODB = {
    "eventID": "2",
    "eventVersion": "1.1",
    "dynamodb": {
        "ApproximateCreationDateTime": 1479499740,
        "Keys": {"Id": {"N": "101"}},
        "NewImage": {
            "Id": {"N": "101"},
            "Message": {"S": "This item has changed"},
            "Price": {"N": "12.50"},
            "Paid": {"BOOL": True},
            "Note": {"NULL": True},
            "Tags": {"SS": ["a", "b"]},
            "Sizes": {"NS": ["1", "2.5"]},
            "Blob": {"B": "AAEC"},
            "Blobs": {"BS": ["AAEC"]},
            "Lines": {"L": [{"M": {"sku": {"S": "x"}}}]},
        },
        "OldImage": {"Id": {"N": "101"}, "Message": {"S": "New item!"}},
        "SequenceNumber": "222",
        "SizeBytes": 59,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    },
    "awsRegion": "us-east-1",
    "eventName": "MODIFY",
    "eventSourceARN": (
        "arn:aws:dynamodb:us-east-1:111122223333:table/EventSourceTable/stream/2016-11-16T20:42"
    ),
    "eventSource": "aws:dynamodb",
}
DYNAMODB_REMOVE = {
    **DYNAMODB,
    "eventName": "REMOVE",
    "dynamodb": {
        "Keys": {"Id": {"N": "101"}},
        "OldImage": {"Id": {"N": "101"}, "Message": {"S": "This item has changed"}},
        "SequenceNumber": "333",
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    },
}
TOPIC = "arn:aws:sns:us-east-1:123456789012:MyTopic"
CONFIRMATION = {
    "Type": "SubscriptionConfirmation",
    "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b",
    "Token": "2336412f37",
    "TopicArn": TOPIC,
    "Message": f"You have chosen to subscribe to the topic {TOPIC}.",
    "SubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=ConfirmSubscription",
    "Timestamp": "2012-04-26T20:45:04.751Z",
    "SignatureVersion": "1",
    "Signature": "EXAMPLEpH+DcEwjAPg8O9mY8dReBSwksfg2S7WKQcikcNKWLQjwu6A4VbeS0QHVCkhRS7f",
}


def by_sns(what, **more):
    """*what* as an SNS topic without raw message delivery writes it."""
    return {
        "Type": "Notification",
        "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324",
        "TopicArn": TOPIC,
        "Subject": "My First Message",
        "Message": what if isinstance(what, str) else json.dumps(what),
        "Timestamp": "2012-05-02T00:54:06.655Z",
        "SignatureVersion": "1",
        "Signature": "EXAMPLEw6JRN...",
        "SigningCertURL": "https://sns.us-west-2.amazonaws.com/SimpleNotificationService.pem",
        "UnsubscribeURL": "https://sns.us-west-2.amazonaws.com/?Action=Unsubscribe",
        **more,
    }


def s3_of(*keys):
    """An event of S3 with a record for each key, quoted as S3 does."""
    records = []
    for key in keys:
        record = copy.deepcopy(S3["Records"][0])
        record["s3"]["object"]["key"] = key
        records.append(record)
    return {"Records": records}
