"""Hostile inputs by the hundred, and runs that are killed at random moments."""
