"""A shop with one page."""

from flask import Flask

app = Flask(__name__)


@app.route("/")
def index() -> str:
    """Greet a customer."""
    return "Welcome to the shop"
