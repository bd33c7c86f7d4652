"""Sends messages at the times of their queues' schedules, once over all hosts; see README."""
