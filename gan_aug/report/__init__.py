"""From `report.json` to what people read."""
