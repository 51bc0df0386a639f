"""The dashboard and its REST API. Needs the extra: pip install 'jobctl[dashboard]'."""
