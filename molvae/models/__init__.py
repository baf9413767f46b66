"""Neural networks: integers in, nats and latent vectors out; knows nothing of molecules or tokenizers."""
