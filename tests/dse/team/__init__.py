"""Several processes on one study."""
