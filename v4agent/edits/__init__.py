"""Edit formats: how a model writes its changes down, and how they are applied, all or none."""
