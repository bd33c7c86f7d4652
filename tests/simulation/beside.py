"""What a site has beside SQS, pretended: S3, and the cache with tickets and unique keys."""

import io

from botocore.exceptions import ClientError, ConnectTimeoutError, ReadTimeoutError


class S3:
    """What ``LargePayloads`` calls of a boto3 client; as fast and as reliable as the weather.

    :ivar objects: contents by key.
    """

    def __init__(self, world, sqs):
        self._world, self._sqs = world, sqs
        self.objects = {}

    def put_object(self, Bucket, Key, Body):  # noqa: N803
        self._ask(lambda: self.objects.update({Key: Body}))

    def get_object(self, Bucket, Key):  # noqa: N803
        content = self._ask(lambda: self.objects.get(Key))
        if content is None:
            raise ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject")
        return {"ContentLength": len(content), "Body": io.BytesIO(content)}

    def delete_object(self, Bucket, Key):  # noqa: N803
        self._ask(lambda: self.objects.pop(Key, None))

    def _ask(self, does):
        rng, weather = self._world.rng, self._sqs.weather
        chance = rng.random()
        if chance < weather.lost:
            self._world.run(rng.choice([0.01, 6.0]))
            raise ConnectTimeoutError(endpoint_url="s3")
        if chance < weather.lost + weather.throttled:
            self._world.run(0.01)
            raise ClientError({"Error": {"Code": "SlowDown"}}, "S3")
        self._world.run(self._sqs.latency())
        answer = does()
        if chance < weather.lost + weather.throttled + weather.answer_lost:
            self._world.run(5.0)
            raise ReadTimeoutError(endpoint_url="s3")
        self._world.run(self._sqs.latency())
        return answer


class Cache:
    """A cache that all processes share; in foul weather it is away now and then."""

    def __init__(self, world, sqs):
        self._world, self._sqs = world, sqs
        self._values = {}
        #: Whether it has failed, so that nobody knows what it was told.
        self.failed = False

    def add(self, key, value, timeout):
        return self._ask(lambda: self._add(key, value, timeout))

    def get(self, key):
        return self._ask(lambda: self.known(key))

    def delete(self, key):
        self._ask(lambda: self._values.pop(key, None))

    def known(self, key):
        value, until = self._values.get(key, (None, 0.0))
        return value if until > self._world.now else None

    def keys(self, prefix):
        """What is known under keys that begin so."""
        names = [name for name in self._values if name.startswith(prefix)]
        return [value for name in names if (value := self.known(name)) is not None]

    def _add(self, key, value, timeout):
        if self.known(key) is not None:
            return False
        self._values[key] = value, self._world.now + timeout
        return True

    def _ask(self, does):
        rng, weather = self._world.rng, self._sqs.weather
        self._world.run(rng.uniform(0.0, 0.002))
        fails = rng.random() < weather.lost
        done = does() if not fails or rng.random() < 0.5 else None
        if fails:
            self.failed = True
            raise ConnectionError("the cache is away")
        return done
