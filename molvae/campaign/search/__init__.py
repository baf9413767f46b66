"""The search for the next candidates: methods, proposal sources, surrogates of the scores."""
