"""What runreceiver runs: supervisor, worker processes, and what they share."""
