"""Reports and pictures of runs, campaigns and screens, from their records."""
