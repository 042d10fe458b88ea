"""Files on disk: folders that can be trusted, arrays, HDF5 in blocks, hloc's layout. Nothing here knows what a stage is."""
