"""The results of a comparison as `report.json` and `compare/scores.csv` hold them."""
