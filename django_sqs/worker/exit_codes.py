"""The exit codes of the commands, for systemd, Kubernetes and scripts."""

#: Done, or stopped by SIGTERM or SIGINT with every receiver finished.
OK = 0
#: The command cannot work as it is configured; the message says why.
ERROR = 1
#: sqs_wait: the queues were not empty within ``--timeout``.
NOT_EMPTY = 3
#: runreceiver: receivers still ran after the grace period and were cut off.
CUT_OFF = 4
#: A supervised process, for its supervisor alone: it has ended as it was to.  0 would also be what
#: ``os._exit(0)`` in a receiver says.
FINISHED = 5
#: A supervised process, for its supervisor alone: it has ended since another takes its place.
RECYCLED = 6
