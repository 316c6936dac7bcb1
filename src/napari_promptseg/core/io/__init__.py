"""Files: one module for each family of formats, `reading` and `writing` choose among them."""
