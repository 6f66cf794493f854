"""The stages of a round on files alone, and what goes in and out of them."""
