"""Embeddings in, a scene or "outlier" for every frame out, then checked against the matches."""
