"""Who sends a request: API keys, cookies, and what each key allows."""
