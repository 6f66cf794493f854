"""What the gate runs besides other people's tools; no part of the product."""
