"""Who earns what, and for how long: comparison, margins, subsidy, erosion."""
