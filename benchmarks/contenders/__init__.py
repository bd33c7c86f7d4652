"""The contenders: each sends and consumes in a process of its own.

    python -m benchmarks.contenders NAME ACTION COUNT QUEUES URL

prints what it measured as JSON.  A no-op handler, 8 bytes of payload.
"""

from .boto import BotoLoop, BotoSingle
from .ours import Ours, OursMany, OursRaw, OursThreads
from .peers import Dramatiq, SQSWorkers
from .stock import Celery, CeleryOnOurs, Kombu

CONTENDERS = {
    "boto3 batch loop": BotoLoop,
    "boto3, one by one": BotoSingle,
    "django-sqs": Ours,
    "django-sqs, 10 threads": OursThreads,
    "django-sqs, send_many": OursMany,
    "django-sqs, raw": OursRaw,
    "kombu ConsumerMixin": Kombu,
    "Celery, 10 threads": Celery,
    "Celery on django-sqs, 10 threads": CeleryOnOurs,
    "sqs-workers": SQSWorkers,
    "dramatiq-sqs, 10 threads": Dramatiq,
}
