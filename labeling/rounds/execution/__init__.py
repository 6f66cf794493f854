"""A round at work: how people start and stop it, who has which stage, what it waits for, how it goes on."""
