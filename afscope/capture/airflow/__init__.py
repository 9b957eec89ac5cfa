"""Recording the Airflow metadata DB: read-only polls by index, diffed in memory, so that only changes are written."""
