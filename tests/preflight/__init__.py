"""The checks of `handrail doctor`, each with planted faults."""
