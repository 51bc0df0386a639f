"""Measurements: ratios to peers and to bare system calls, taken in one run, in turns."""
