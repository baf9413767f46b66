"""molvae: learn a continuous map of molecules and search it."""
