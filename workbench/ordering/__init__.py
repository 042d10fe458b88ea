"""Distances between the frames of a scene in, their order out, with a confidence for every link."""
