"""The database half of a replay: an Airflow metadata DB, made as Airflow makes it, that changes as it was recorded."""
