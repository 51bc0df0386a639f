"""Each use case once, for the terminal, the library and HTTP alike."""
