"""Atomic, verified files and directories, and locks."""
