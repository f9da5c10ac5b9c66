"""The command of step scripts: its shell side (``shim``), and what this side knows of the values that it keeps."""
