"""`python -m jobctl`."""

from __future__ import annotations

import sys

from jobctl.cli.app import main

if __name__ == "__main__":
    sys.exit(main())
