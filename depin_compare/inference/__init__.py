"""What inference work costs: tokens per second, unit cost, and what the clouds charge and pay."""
