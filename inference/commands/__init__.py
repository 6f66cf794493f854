"""The file commands of `boxwise`: main(argv) -> exit status each, started by boxwise.commands (client/)."""
