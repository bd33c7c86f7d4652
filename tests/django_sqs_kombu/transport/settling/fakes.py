"""What a keeper needs besides SQS."""


class Objects:
    """No message has a payload in S3."""

    def delete(self, message):
        pass

    def close(self, timeout):
        pass

    def forget(self):
        pass
