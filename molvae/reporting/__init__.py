"""Pictures of runs and campaigns, drawn from their records alone."""
