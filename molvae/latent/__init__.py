"""From molecules to latent vectors and back."""
