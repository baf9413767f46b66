"""Oracles: functions from molecules to scores, the built-in ones and a user's own."""
