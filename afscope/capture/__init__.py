"""The capture agent: it watches the Kubernetes API, polls the Airflow DB and only ever writes a capture."""
