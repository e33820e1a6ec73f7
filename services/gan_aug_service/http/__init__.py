"""HTTP: sockets, connections, middleware, bodies, problem documents, rate limits, metrics and logs."""
