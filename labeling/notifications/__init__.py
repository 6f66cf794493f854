"""What people hear of: given to them, sent back, mentioned, a round that ended. Each can be switched off."""
