"""What `crossmargin doctor` looks at: the configuration, every endpoint on its own, every venue."""
