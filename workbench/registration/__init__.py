"""Matches in, transforms out: between two frames, and from every frame to the reference frame of its scene."""
