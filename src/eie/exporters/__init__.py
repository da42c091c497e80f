"""Export of compressed networks to formats that other tools read."""
