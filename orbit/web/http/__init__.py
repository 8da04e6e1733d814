"""HTTP: middleware, requests, bodies, problem documents, CORS, redirects."""
