"""What a browser sees; also the Django project package."""
