"""Search spaces of the domains."""
