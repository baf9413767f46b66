"""Sources of new molecules and their shares."""
