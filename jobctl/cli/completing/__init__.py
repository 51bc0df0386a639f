"""What a shell offers after TAB: commands, options, names, statuses and ids."""
