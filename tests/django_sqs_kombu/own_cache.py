"""A cache as those of Django are, for one process; its time is the test's."""


class OwnCache:
    """It keeps what it is given until its ``now`` says that the time is over.

    :ivar fails: whether it is away.
    """

    def __init__(self):
        self.now = 0.0
        self.values = {}
        self.fails = False

    def add(self, key, value, timeout):
        if self.get(key) is not None:
            return False
        self.values[key] = value, self.now + timeout
        return True

    def get(self, key):
        if self.fails:
            raise OSError("the cache is away")
        value, until = self.values.get(key, (None, 0))
        return value if self.now < until else None

    def delete(self, key):
        self.values.pop(key, None)
