"""Sending: one message or many, delayed, or sent again."""
