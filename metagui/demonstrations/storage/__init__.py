"""Tasks and takes on disk: HDF5 files, the library, import and export."""
