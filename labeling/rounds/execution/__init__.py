"""A round at work: who has which stage, what it waits for, how it goes on."""
