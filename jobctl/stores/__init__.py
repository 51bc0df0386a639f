"""Where jobs are kept; each store keeps the protocols of core/store.py."""
