"""The product as it is deployed: nginx, gunicorn, PostgreSQL, a worker."""
