"""How far the readers of a project agree: which readings are compared, the job that computes it, what is said of it."""
