"""What a body is: an envelope or foreign, compressed, or a pointer into S3."""
