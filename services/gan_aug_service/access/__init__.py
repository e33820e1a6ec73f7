"""Who calls: keys, cookies, and what each may do."""
