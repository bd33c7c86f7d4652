"""Benchmarks of this library beside its peers, against a local SQS server."""
