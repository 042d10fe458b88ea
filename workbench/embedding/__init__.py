"""Frames in, one vector per frame out, and the distances between frames that need no matching."""
