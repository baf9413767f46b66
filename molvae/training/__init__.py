"""Training of models, property heads and priors."""
