"""Where new molecules come from, and how much each source gets to try."""
