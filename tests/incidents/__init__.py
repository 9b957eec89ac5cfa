"""Real incidents: what was really wrong is found, and nobody else is blamed."""
