"""The comparison's figures as `report.json` and `compare/scores.csv` hold them."""
