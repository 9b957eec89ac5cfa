"""DuckDB session, analyzer catalog, attribution, verdict."""
