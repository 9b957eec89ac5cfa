"""Tests against the Redis and the RabbitMQ of this machine."""
