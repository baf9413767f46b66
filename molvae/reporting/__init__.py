"""Reports and pictures of runs, campaigns and screens, made from their records alone."""
