"""The command line: each command parses, builds settings, makes one library call and prints."""
