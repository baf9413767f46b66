"""Neural networks on token ids and latent vectors."""
