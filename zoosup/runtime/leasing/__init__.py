"""leasing."""
