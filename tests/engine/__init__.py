"""The engine: facts, attribution, analyzers, verdict."""
