"""Messages that can be cancelled until a receiver starts with them."""
