"""The web pages: their sources, and the application that serves the built files."""
