"""Takes as the contents of HDF5 files."""
