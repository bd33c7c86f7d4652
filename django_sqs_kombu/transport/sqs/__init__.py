"""SQS's API: requests, clients, queues and what their failures mean; no Kombu in it."""
