"""deployguard keeps Flask's development server and the Werkzeug debugger out of production."""

__version__ = "0.1.0"
