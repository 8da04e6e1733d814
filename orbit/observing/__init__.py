"""What operators watch: the server log, metrics and their history."""
