"""The Kubernetes half of a replay: the true history of the objects, and an API server that tells it on a clock."""
