"""What operators look at and do: queues, peeks, policies, measurements."""
