"""Import of compressed networks from other formats, one file per format."""
