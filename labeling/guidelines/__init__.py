"""How cells are to be annotated: a project's guidelines in versions, with pictures, and who has acknowledged them."""
