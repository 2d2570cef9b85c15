"""State files: HDF5 with a commit record and a checksum per dataset."""
