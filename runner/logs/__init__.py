"""What steps print: masked, kept on disk, and followed from there; nobody who reads can hold up who writes."""
