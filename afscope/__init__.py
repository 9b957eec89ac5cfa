"""afscope: who is to blame when Airflow tasks wait and the KEDA-scaled workers are not there."""

__version__ = "0.1.0"
