"""Dumps of Airflow's metadata DB: what they hold is staged, then rebuilt into the history that its timestamps prove."""
