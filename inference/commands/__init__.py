"""The file commands of `boxwise`: main(argv) -> exit status each, started by inference/command.py."""
