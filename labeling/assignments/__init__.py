"""Who does what next: workflows, items, readings and their leases."""
