"""The pages of the service, over the functions of its REST routes."""
