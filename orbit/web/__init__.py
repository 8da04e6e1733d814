"""The HTTP face of ORBIT."""
