"""What runs jobs: the handlers, and the processes that call them."""
