"""Surrogates: what is believed about a score before it is paid for."""
