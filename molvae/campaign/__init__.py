"""Campaigns: a journal of what was asked and told, and the search methods that decide what to ask next."""
