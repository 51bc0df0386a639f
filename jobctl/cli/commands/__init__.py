"""The commands, one file each. A command's module is imported when it is called."""
