"""The landing: the only room where a molecule becomes a vector and back."""
