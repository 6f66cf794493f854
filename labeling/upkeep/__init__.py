"""What a project keeps and for how long: deleting images with grace, the storage they take, cleaning up."""
