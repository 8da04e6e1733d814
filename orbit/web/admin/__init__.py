"""Administration over HTTP, under ``/admin``: for holders of the admin token and for the operator's page."""
