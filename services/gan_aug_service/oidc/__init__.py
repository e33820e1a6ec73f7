"""Signing in with OpenID Connect: the provider's settings, its discovery and keys, and what an ID token must hold."""
