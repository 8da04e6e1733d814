"""HTTP's own affairs: requests, bodies, problem documents, CORS, access."""
