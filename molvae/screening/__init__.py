"""Screening: any number of molecules through a model, in parts that can be lost, repeated and shared."""
