"""Working: from a delivery to its settlement."""
