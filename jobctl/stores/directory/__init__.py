"""The store on disk: a journal of JSON lines, and an index over it that may be deleted."""
