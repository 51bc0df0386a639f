"""`python -m benchmarks`: run them."""

from benchmarks.main_job import main

main()
