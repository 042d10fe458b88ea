"""Keypoints of every frame, which pairs of frames to match, and the correspondences between two frames."""
