import logging


class SlowHandler(logging.Handler):
    """One that takes its time and, as those of ``logging`` do, keeps errors to itself.

    :param take_time: called for each record.
    """

    def __init__(self, take_time):
        super().__init__()
        self.take_time = take_time
        self.written = self.failed = 0

    def emit(self, record):
        try:
            self.take_time()
            self.written += 1
        except Exception:
            self.handleError(record)

    def handleError(self, record):  # noqa: N802 - logging's name
        self.failed += 1
