"""Video files: decoded once, frame by frame; read as small working copies; written again in another order."""
