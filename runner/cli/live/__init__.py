"""The live face of a run on a terminal: lines scroll up, and a tree of stages and steps stays under them."""
