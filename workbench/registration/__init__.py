"""Matches in, transforms out: of two frames, and of every frame onto its scene."""
