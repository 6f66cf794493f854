"""Models of other people: trained elsewhere, used here as they are, with their licence and their source."""
