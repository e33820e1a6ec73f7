"""What the service's administrators allow jobs: ceilings, and who may loosen a guard."""
