"""The checker, from the configuration file to the screen."""
