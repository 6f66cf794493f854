"""Which weights a round starts with and which ones it makes current."""
