"""Files in: image formats, HDF5, sections of reciprocal space, real data by name."""
