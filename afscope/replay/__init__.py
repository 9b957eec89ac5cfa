"""Serves a recording or a capture as the cluster and the database that it was made of, on a clock of its own."""
