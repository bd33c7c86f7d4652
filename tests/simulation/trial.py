"""Trial: what every kind of use has in common, and notes of what must not be."""

from .sqs import Weather


class Trial:
    """Something used at random for a while, before a pretended SQS.

    :ivar problems: what must not be: its name, when it was, and of which message or job.
    :ivar raises: whether tracebacks are logged that are nobody's fault.
    """

    raises = False

    def __init__(self, world, sqs, *, calm):
        self.world, self.sqs, self.rng, self.calm = world, sqs, world.rng, calm
        self.problems = []
        self._ends_at = world.now + self.rng.choice([60, 300, 1500])

    def _calm_down(self):
        """Have fair weather from now on, and let what is under way end."""
        self.sqs.weather = Weather()
        self.world.run(30)

    def _check_rest(self, after):
        """That nothing is asked of SQS any more, once all leases and timers are over."""
        self.world.run(3700)
        made = self.sqs.made.total()
        self.world.run(3600)
        if self.sqs.made.total() != made:
            self._complain(f"requests after the {after}")

    def _complain(self, what, *named):
        self.problems.append((what, round(self.world.now, 3), *named))
