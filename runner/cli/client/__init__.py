"""The daemon as commands see it."""
