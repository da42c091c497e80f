"""Compressed networks for other tools, their shared weights expanded: so that anyone can check ours."""
