"""wire: SQS's frequent requests over libcurl, with botocore for who, where and how it is signed."""
