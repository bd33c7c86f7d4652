"""Tools for those who develop: a local SQS and a reloader."""
