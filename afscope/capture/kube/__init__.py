"""The Kubernetes side of the recorder."""
