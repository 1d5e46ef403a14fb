"""Charts, PDF and the files of a run: they read an Analysis and nothing else."""
