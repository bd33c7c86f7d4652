"""An optional app: pages in Django's admin about queues and workers."""
