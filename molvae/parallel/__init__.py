"""Workers: processes of this machine or actors of a Ray cluster, with the same results from both."""
