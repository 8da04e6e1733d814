"""Reading a file of any format in a process that can be ended."""
