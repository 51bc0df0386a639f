"""Why a job does not run, what a running one is at, and how a finished one ended."""
