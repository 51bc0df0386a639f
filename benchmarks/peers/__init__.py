"""A script for each tool: `python -m benchmarks.peers.NAME MEASUREMENT --folder DIR ...`."""
