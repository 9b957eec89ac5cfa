"""Depths of the Celery broker's queues: Redis and RabbitMQ. Messages are counted, never read."""
