"""Documents of office programs: zipped XML and RTF."""
