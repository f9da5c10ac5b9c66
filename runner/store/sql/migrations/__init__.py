"""How the tables have become what they are: one file of ``versions`` for each release that changed them."""
