"""The terminal: each command parses, makes one call to a service, and shows the result."""
