"""Compressed networks from elsewhere: one file per source."""
