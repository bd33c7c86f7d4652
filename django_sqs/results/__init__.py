"""An optional app that keeps the results of tasks in the database."""
