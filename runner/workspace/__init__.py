"""Workspaces as data: layers and their order, listings and what they tell, sources, and exports. No engine is named."""
