"""gunicorn's configuration for the test project, whose workers receive."""

from django_sqs.gunicorn import Receiving

receiving = Receiving(threads=2)
post_worker_init = receiving.post_worker_init
worker_exit = receiving.worker_exit
