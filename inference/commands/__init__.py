"""What `boxwise` does with files alone. Each command is main(argv) -> exit status, found by its entry point."""
