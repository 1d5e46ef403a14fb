"""Unattended use: the job file, and the run that collects, analyses and reports."""
