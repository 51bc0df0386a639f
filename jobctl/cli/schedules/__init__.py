"""The verbs of `jobctl schedule`, one file each."""
