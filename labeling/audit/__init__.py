"""The audit log: what happened that concerns the security of the site, who did it, when and from where."""
