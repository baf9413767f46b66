"""Screening of libraries of any size with a model, in parts that can be resumed and shared."""
