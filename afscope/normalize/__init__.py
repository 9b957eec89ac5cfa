"""Raw API objects, Airflow rows and log lines to table rows. Pure; used by the agent and by imports alike."""
