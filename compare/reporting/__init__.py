"""What the report says: of a summary alone, measuring and predicting nothing."""
