"""What crosses the wire: values, frames, status codes, addresses and deadlines."""
