"""Real containers: the only package that names the docker SDK or requests."""
