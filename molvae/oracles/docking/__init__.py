"""Docking: how well a molecule fits a pocket, in kcal/mol; programs and receptors that pip installs."""
