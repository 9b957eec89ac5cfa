"""Tests of the recording of the Airflow metadata DB."""
