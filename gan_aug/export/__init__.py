"""A synthetic set in the formats that other tools read: one list of them, written to disk or sent as a download."""
