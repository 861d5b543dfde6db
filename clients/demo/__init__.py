"""`handrail demo`: one guided session in a terminal."""
