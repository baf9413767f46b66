"""Campaigns: a journal of candidates and scores, and the search methods that propose candidates."""
