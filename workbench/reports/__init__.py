"""Finished runs as pages: the report of one, and several side by side."""
