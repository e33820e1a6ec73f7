"""The pages of the service: what a browser shows, over the functions that the routes use."""
